//go:build linux

package node

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/mount"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// attributes are what a volume is, from the fields of its CSI source. Anybody who may create pods writes those.
type attributes struct {
	role, client, subPath string
	options               mount.Options
	readOnly              bool
}

// The keys that kubelet adds to volumeAttributes (podInfoOnMount), all with the prefix.
const (
	kubeletPrefix = "csi.storage.k8s.io/"
	keyEphemeral  = kubeletPrefix + "ephemeral"
	keyPodUID     = kubeletPrefix + "pod.uid"
)

// maximumSubPath is the most bytes that a sub-path may have: with all of them escaped it still fits into what mount(2)
// takes as the name of a source.
const maximumSubPath = 1024

// names of containers (Kubernetes: a DNS label).
var clientName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// parseAttributes reads the attributes of a request to publish a volume. It refuses whatever it doesn't know.
func parseAttributes(context map[string]string, readOnly bool) (attributes, error) {
	a := attributes{readOnly: readOnly}
	for key, value := range context {
		var err error
		switch key {
		case volume.AttributeRole:
			a.role = value
		case volume.AttributeClient:
			a.client = value
		case volume.AttributeSubPath:
			a.subPath = value
		case volume.AttributeOptions:
			a.options, err = mount.ParseOptions(value)
		default:
			if !strings.HasPrefix(key, kubeletPrefix) {
				err = fmt.Errorf("volume attribute %.64q isn't known", key)
			}
		}
		if err != nil {
			return attributes{}, err
		}
	}
	if context[keyEphemeral] != "true" {
		return attributes{}, fmt.Errorf("the volume isn't an ephemeral inline volume of a pod, as kubelet would say in %s", keyEphemeral)
	}
	return a, a.check()
}

// check reports attributes that don't belong together, and values that aren't allowed.
func (a attributes) check() error {
	if !clientName.MatchString(a.client) {
		return fmt.Errorf("volume attribute %s: %.80q isn't a container's name", volume.AttributeClient, a.client)
	}
	switch a.role {
	case volume.RoleBroker:
		if a.subPath != "" {
			return fmt.Errorf("volume attribute %s is for volumes of the role %s", volume.AttributeSubPath, volume.RoleData)
		}
		return nil
	case volume.RoleData:
		if a.options != (mount.Options{}) {
			return fmt.Errorf("volume attribute %s is for volumes of the role %s", volume.AttributeOptions, volume.RoleBroker)
		}
		return checkSubPath(a.subPath)
	}
	return fmt.Errorf("volume attribute %s: %.80q is neither %s nor %s", volume.AttributeRole, a.role, volume.RoleBroker, volume.RoleData)
}

func checkSubPath(p string) error {
	switch {
	case p == "":
		return nil
	case len(p) > maximumSubPath:
		return fmt.Errorf("volume attribute %s has %d bytes, %d are allowed", volume.AttributeSubPath, len(p), maximumSubPath)
	case p == "." || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") || strings.ContainsRune(p, 0):
		return fmt.Errorf("volume attribute %s: %q isn't a relative path in its shortest form, without \"..\"", volume.AttributeSubPath, p)
	}
	return nil
}

// sourcePrefix is what the source of each of the plugin's mounts begins with.
const sourcePrefix = "kubectl-fluid:"

// source is the name that a volume's lowest mount has in mountinfo. It holds the attributes for a plugin that starts later:
// so they live exactly as long as the volume, and there is no other record that could differ.
func (a attributes) source() string {
	values := url.Values{volume.AttributeRole: {a.role}, volume.AttributeClient: {a.client}}
	if a.subPath != "" {
		values.Set(volume.AttributeSubPath, a.subPath)
	}
	if options := a.options.String(); options != "" {
		values.Set(volume.AttributeOptions, options)
	}
	if a.readOnly {
		values.Set("readOnly", "true")
	}
	return sourcePrefix + values.Encode()
}

// parseSource reads what source wrote, in this release or an earlier one.
func parseSource(source string) (attributes, error) {
	text, ours := strings.CutPrefix(source, sourcePrefix)
	if !ours {
		return attributes{}, fmt.Errorf("mount of %.80q isn't this plugin's", source)
	}
	values, err := url.ParseQuery(text)
	if err != nil {
		return attributes{}, fmt.Errorf("mount of %q: %w", source, err)
	}
	options, err := mount.ParseOptions(values.Get(volume.AttributeOptions))
	if err != nil {
		return attributes{}, fmt.Errorf("mount of %q: %w", source, err)
	}
	a := attributes{
		role: values.Get(volume.AttributeRole), client: values.Get(volume.AttributeClient), subPath: values.Get(volume.AttributeSubPath),
		options: options, readOnly: values.Get("readOnly") == "true",
	}
	return a, a.check()
}
