package referencetest

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

//go:embed cases
var cases embed.FS

// FieldManager is who wrote the objects of cases.
const FieldManager = "kubectl-create"

// Case is a cluster around the reference ref/refdemo with what is to be found about it, the same whoever looks: from
// files, on a live cluster, or in the condition that the controller writes.
type Case struct {
	// Name is the file's in cases/.
	Name string `json:"-"`
	// Physical is the runtime of the physical Dataset default/phy, as World has it; empty for none.
	Physical string `json:"physical"`
	// MirrorNames and Sharing are the cluster's settings.
	MirrorNames reference.MirrorNames `json:"mirrorNames"`
	Sharing     reference.Sharing     `json:"sharing"`
	// Findings are what is to be found, in order.
	Findings []WantedFinding `json:"findings"`

	// Objects are the cluster, the reference among them.
	Objects []*unstructured.Unstructured `json:"-"`
	// PhysicalNamespace and ReferenceNamespace are where they are.
	PhysicalNamespace  string `json:"-"`
	ReferenceNamespace string `json:"-"`
}

// Policy returns the settings of the case's cluster.
func (c *Case) Policy(depth reference.Depth) reference.Policy {
	return reference.Policy{MirrorNames: c.MirrorNames, Sharing: c.Sharing, Depth: depth}
}

// WantedFinding is what a case says of a finding.
type WantedFinding struct {
	Code    finding.Code `json:"code"`
	Object  string       `json:"object"`
	Message string       `json:"message"`
}

// String returns the finding as one line.
func (f WantedFinding) String() string {
	return fmt.Sprintf("%s: %s: %s", f.Code, f.Object, f.Message)
}

// Wanted returns findings as a case says them.
func Wanted(findings finding.List) []WantedFinding {
	wanted := make([]WantedFinding, len(findings))
	for i, f := range findings {
		wanted[i] = WantedFinding{f.Code, f.Object.String(), f.Message}
	}
	return wanted
}

// CaseNames returns the names of all cases.
func CaseNames(t testing.TB) []string {
	t.Helper()
	files, err := fs.Glob(cases, "cases/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases: ", err)
	}
	for i := range files {
		files[i] = strings.TrimSuffix(filepath.Base(files[i]), ".yaml")
	}
	return files
}

// LoadCase reads a case with the physical Dataset in one namespace and the reference in another: default and ref where
// there is nothing else, new ones on a cluster that others use too.
func LoadCase(t testing.TB, name, physicalNamespace, referenceNamespace string) *Case {
	t.Helper()
	text, err := cases.ReadFile("cases/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	moved := move(text, physicalNamespace, referenceNamespace)
	head, objects, _ := bytes.Cut(moved, []byte("\n---\n"))
	c := &Case{Name: name, PhysicalNamespace: physicalNamespace, ReferenceNamespace: referenceNamespace, MirrorNames: reference.UniqueNames}
	if err := yaml.UnmarshalStrict(head, c); err != nil {
		t.Fatalf("case %s: %v", name, err)
	}
	c.Objects = append(c.Objects, namespace(physicalNamespace), namespace(referenceNamespace))
	if c.Physical != "" {
		physical, err := physicals.ReadFile(c.Physical + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		c.add(t, move(physical, physicalNamespace, referenceNamespace))
	}
	c.add(t, objects)
	c.record()
	return c
}

// move puts the namespaces that a file was written for elsewhere.
func move(text []byte, physicalNamespace, referenceNamespace string) []byte {
	text = regexp.MustCompile(`\bdefault\b`).ReplaceAll(text, []byte(physicalNamespace))
	return regexp.MustCompile(`\bref\b`).ReplaceAll(text, []byte(referenceNamespace))
}

func namespace(name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	object.SetName(name)
	return object
}

// add adds the objects of a file; one that is there already gets what the file says of it, so that a case can change the
// physical Dataset's objects. An object with the annotation absent is taken away.
func (c *Case) add(t testing.TB, text []byte) {
	t.Helper()
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatalf("case %s: %v", c.Name, err)
		}
		if object.GetKind() == "" {
			t.Fatalf("case %s has a document without kind:\n%s", c.Name, document)
		}
		object.SetManagedFields([]metav1.ManagedFieldsEntry{{
			Manager: FieldManager, Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: object.GetAPIVersion(),
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1("{}"),
		}})
		present := slices.IndexFunc(c.Objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == object.GetKind() && client.ObjectKeyFromObject(o) == client.ObjectKeyFromObject(object)
		})
		_, absent := object.GetAnnotations()["absent"]
		switch {
		case present < 0:
			c.Objects = append(c.Objects, object)
		case absent:
			c.Objects = slices.Delete(c.Objects, present, present+1)
		default:
			overlay(c.Objects[present].Object, object.Object)
		}
	}
}

// overlay changes a tree as a merge patch would.
func overlay(tree, change map[string]any) {
	for key, value := range change {
		branch, isTree := tree[key].(map[string]any)
		changes, areChanges := value.(map[string]any)
		switch {
		case value == nil:
			delete(tree, key)
		case isTree && areChanges:
			overlay(branch, changes)
		default:
			tree[key] = value
		}
	}
}

// record lets the physical Dataset know the reference, as it would after a moment.
func (c *Case) record() {
	ref := c.Find("Dataset", c.ReferenceNamespace, "refdemo")
	for _, object := range c.Objects {
		if ref != nil && object.GetKind() == "Dataset" && object.GetName() == "phy" && object.GetNamespace() == c.PhysicalNamespace {
			_ = unstructured.SetNestedStringSlice(object.Object, []string{c.ReferenceNamespace + "/refdemo"}, "status", "datasetRef")
		}
	}
}

// Find returns an object of the case, nil if it has none.
func (c *Case) Find(kind, namespace, name string) *unstructured.Unstructured {
	for _, object := range c.Objects {
		if object.GetKind() == kind && object.GetNamespace() == namespace && object.GetName() == name {
			return object
		}
	}
	return nil
}

// WriteFiles writes the case as manifests into a directory, one per object, for those who read files.
func (c *Case) WriteFiles(t testing.TB, directory string) {
	t.Helper()
	for _, object := range c.Objects {
		text, err := yaml.Marshal(object.Object)
		if err == nil {
			name := strings.ToLower(object.GetKind()) + "_" + object.GetNamespace() + "_" + object.GetName() + ".yaml"
			err = os.WriteFile(filepath.Join(directory, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Create makes the case on a cluster, whose API server gives UIDs of its own: where an object names the UID of another,
// that one must come before it.
func (c *Case) Create(ctx context.Context, writer client.Client) error {
	uids := map[types.UID]types.UID{}
	for _, written := range c.Objects {
		object := written.DeepCopy()
		uid := object.GetUID()
		object.SetUID("")
		object.SetResourceVersion("")
		object.SetManagedFields(nil)
		owners := object.GetOwnerReferences()
		for i := range owners {
			owners[i].UID = cmp.Or(uids[owners[i].UID], owners[i].UID)
		}
		object.SetOwnerReferences(owners)
		unstructured.RemoveNestedField(object.Object, "spec", "claimRef", "uid")
		unstructured.RemoveNestedField(object.Object, "spec", "claimRef", "resourceVersion")
		if mark := object.GetLabels()[reference.LabelReferenceUID]; uids[types.UID(mark)] != "" {
			labels := object.GetLabels()
			labels[reference.LabelReferenceUID] = string(uids[types.UID(mark)])
			object.SetLabels(labels)
		}
		status, hasStatus := object.Object["status"]
		err := writer.Create(ctx, object, client.FieldOwner(FieldManager))
		if err == nil && hasStatus {
			object.Object["status"] = status
			err = writer.Status().Update(ctx, object, client.FieldOwner(FieldManager))
		}
		if err != nil {
			return fmt.Errorf("creating %s %s: %w", object.GetKind(), client.ObjectKeyFromObject(object), err)
		}
		if uid != "" {
			uids[uid] = object.GetUID()
		}
	}
	return nil
}
