package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/jsonscan"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// maxReferenceBytes is how much JSON of a reference is decoded. A reference has one mount and a short status: a few
// kilobytes. Decoded, JSON of empty objects takes some 50 times its size.
const maxReferenceBytes = 64 << 10

// ownPrefix begins the names of this project's annotations.
const ownPrefix = "kubectl-fluid.dev/"

// scannedDataset is what a Dataset in an AdmissionReview says that decides whether it has to be decoded. Scanning takes no
// memory that grows with the Dataset.
type scannedDataset struct {
	name       string
	mounts     int
	mountPoint string // of the first mount
	// mountsText is the JSON of the mounts. The API server writes equal mounts in the same way, with sorted fields.
	mountsText  string
	isReference bool
	bound       bool // to a runtime
	deleted     bool

	// What the plan of a reference depends on, as JSON: parts of the review's body.
	uid, deletion, spec, status string
	// annotations are names, and the JSON of their values, in turn.
	annotations []string
}

// scanDataset reads the JSON of a Dataset in one pass.
func scanDataset(raw []byte) (*scannedDataset, error) {
	s := jsonscan.InPlace(raw)
	d := &scannedDataset{}
	err := s.Document(func() {
		s.Object(func(field string) bool {
			switch field {
			case "metadata":
				d.readMetadata(s)
			case "spec":
				d.spec = s.Text(func() { d.readSpec(s) })
			case "status":
				d.status = s.Text(func() { d.readStatus(s) })
			default:
				return false
			}
			return true
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading the Dataset: %w", err)
	}
	return d, nil
}

// readMetadata reads the part of the metadata that the plan depends on: other tools' annotations, labels and managed fields
// can be large, and say nothing about the reference.
func (d *scannedDataset) readMetadata(s *jsonscan.Scanner) {
	s.Object(func(field string) bool {
		switch field {
		case "name":
			s.String(&d.name)
		case "uid":
			d.uid = s.Raw()
		case "deletionTimestamp":
			d.deletion = s.Raw()
			d.deleted = d.deletion != "null"
		case "annotations":
			s.Members(func(name string) {
				if value := s.Raw(); strings.HasPrefix(name, ownPrefix) {
					d.annotations = append(d.annotations, name, value)
				}
			})
		default:
			return false
		}
		return true
	})
}

func (d *scannedDataset) readSpec(s *jsonscan.Scanner) {
	s.Object(func(field string) bool {
		if field == "mounts" {
			d.mountsText = s.Text(func() { s.List(func() { d.readMount(s) }) })
		}
		return field == "mounts"
	})
}

func (d *scannedDataset) readMount(s *jsonscan.Scanner) {
	mountPoint := ""
	s.Object(func(field string) bool {
		if field == "mountPoint" {
			s.String(&mountPoint)
		}
		return field == "mountPoint"
	})
	if d.mounts == 0 {
		d.mountPoint = mountPoint
	}
	d.mounts++
	d.isReference = d.isReference || reference.IsMountPoint(mountPoint)
}

func (d *scannedDataset) readStatus(s *jsonscan.Scanner) {
	s.Object(func(field string) bool {
		if field == "runtimes" {
			s.List(func() { d.bound = true; s.Skip() })
		}
		return field == "runtimes"
	})
}

// source returns what the Dataset refers to; an error says why it refers to nothing.
func (d *scannedDataset) source() (reference.Source, error) {
	mounts := make([]datav1alpha1.Mount, min(d.mounts, 2)) // Two mounts are as wrong as any number of them.
	if d.mounts > 0 {
		mounts[0].MountPoint = d.mountPoint
	}
	return reference.SourceOf(&datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Name: d.name}, Spec: datav1alpha1.DatasetSpec{Mounts: mounts}})
}

// decode returns the Dataset with all that the plan of a reference depends on.
func (d *scannedDataset) decode() (*datav1alpha1.Dataset, error) {
	size := len(d.spec) + len(d.status)
	for _, text := range d.annotations {
		size += len(text)
	}
	if size > maxReferenceBytes {
		return nil, fmt.Errorf("reading the reference %s: its spec, status and annotations of %s have %d bytes, and a reference may have %d",
			d.name, strings.TrimSuffix(ownPrefix, "/"), size, maxReferenceBytes)
	}
	metadata := jsonObject("name", jsonString(d.name), "uid", d.uid, "deletionTimestamp", d.deletion, "annotations", string(jsonObject(d.annotations...)))
	dataset := &datav1alpha1.Dataset{}
	if err := json.Unmarshal(jsonObject("metadata", string(metadata), "spec", d.spec, "status", d.status), dataset); err != nil {
		return nil, fmt.Errorf("reading the Dataset: %w", err)
	}
	return dataset, nil
}

// jsonObject returns a JSON object of names and the JSON of their values; those without a value are left out.
func jsonObject(members ...string) []byte {
	var text bytes.Buffer
	text.WriteByte('{')
	for i := 0; i+1 < len(members); i += 2 {
		if members[i+1] == "" {
			continue
		}
		if text.Len() > 1 {
			text.WriteByte(',')
		}
		text.WriteString(jsonString(members[i]) + ":" + members[i+1])
	}
	text.WriteByte('}')
	return text.Bytes()
}

func jsonString(text string) string { return string(appendString(nil, text)) }
