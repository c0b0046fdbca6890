package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// AnnotationUnprivilegedClient on the pod template of FUSE pods (the podMetadata of a runtime's or a profile's fuse) says
// that its client runs without privileges, and how, as the JSON of a Client: {} where there is nothing to say.
const AnnotationUnprivilegedClient = "kubectl-fluid.dev/unprivileged-client"

// Client is how a FUSE client runs without privileges: the node plugin mounts, the client only serves.
type Client struct {
	// RunAsUser is the user that it needs; nil for any.
	RunAsUser *int64 `json:"runAsUser,omitempty"`
	// WritableDirectories are absolute paths that it writes to, beside its home directory, /tmp and the directories of its
	// caches. They are empty when it starts.
	WritableDirectories []string `json:"writableDirectories,omitempty"`
	// MountOptions are the kernel's options of its mount; nil for default_permissions.
	MountOptions []string `json:"mountOptions,omitempty"`
}

// clientMountOption is what MountOptions may have: the node plugin adds nosuid, nodev and allow_other, and ro as the claim
// is used.
var clientMountOption = regexp.MustCompile(`^(default_permissions|noexec|max_read=[1-9][0-9]{0,8})$`)

// ParseClient reads the value of AnnotationUnprivilegedClient.
func ParseClient(text string) (*Client, error) {
	client := &Client{}
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(client); err != nil || decoder.More() {
		return nil, fmt.Errorf("it must be a JSON object with runAsUser, writableDirectories or mountOptions, or {} (%v)", err)
	}
	if user := client.RunAsUser; user != nil && (*user < 0 || *user > maxUser) {
		return nil, fmt.Errorf("runAsUser is %d: it must be between 0 and %d", *user, int64(maxUser))
	}
	for _, directory := range client.WritableDirectories {
		if !path.IsAbs(directory) || path.Clean(directory) != directory || directory == "/" || strings.ContainsAny(directory, ":$") {
			return nil, fmt.Errorf("writableDirectories has %q: it must be an absolute path without . and .. and without : and $", directory)
		}
	}
	for _, option := range client.MountOptions {
		if !clientMountOption.MatchString(option) {
			return nil, fmt.Errorf("mountOptions has %q: it must be default_permissions, noexec or max_read=BYTES", option)
		}
	}
	if client.MountOptions == nil {
		client.MountOptions = defaultMountOptions()
	}
	return client, nil
}

// maxUser is the greatest user ID that Kubernetes takes.
const maxUser = 1<<31 - 1

// defaultMountOptions let the kernel check the modes of files: a client needn't.
func defaultMountOptions() []string { return []string{"default_permissions"} }

// alluxioClient is how Alluxio's client runs. Files of its web mounts have the mode 0440 and its user as owner, so that the
// kernel's check would refuse everybody else (seen with Alluxio 2.9.6).
func alluxioClient() *Client {
	return &Client{WritableDirectories: []string{"/opt/alluxio/conf", "/opt/alluxio/logs"}, MountOptions: []string{}}
}

// findClient finds out whether the client is known to run without privileges: Alluxio's is, others when their FUSE pods say.
func (s *Sidecar) findClient(findings *finding.List, fuse finding.Object, annotations map[string]string) {
	if s.Runtime == AlluxioType {
		s.Client = alluxioClient()
	}
	if text, ok := annotations[AnnotationUnprivilegedClient]; ok {
		client, err := ParseClient(text)
		if err != nil {
			findings.Add(finding.CodeTemplateUnusable, fuse, "its pod template's annotation %s: %v", AnnotationUnprivilegedClient, err)
			return
		}
		s.Client = client
	}
	s.Unprivileged = s.checkUnprivileged(fuse)
}

// checkUnprivileged says what keeps the sidecar from running without privileges, and what is different then.
func (s *Sidecar) checkUnprivileged(fuse finding.Object) finding.List {
	var findings finding.List
	if s.Client == nil {
		findings.Add(finding.CodeClientUnknown, fuse, "its FUSE client has the image %s, and its pod template has no annotation %s", s.Container.Image, AnnotationUnprivilegedClient)
	}
	for i := range s.Volumes {
		if volume := &s.Volumes[i]; s.HostUseOf(volume) == HostUnknown {
			findings.Add(finding.CodeHostPathNeeded, fuse, "its FUSE container mounts %s of the node in the volume %s", volume.HostPath.Path, volume.Name)
		}
	}
	for _, device := range s.Container.VolumeDevices {
		findings.Add(finding.CodeHostPathNeeded, fuse, "its FUSE container has the block device %s", device.Name)
	}
	if len(s.Container.Command) == 0 {
		findings.Add(finding.CodeClientUnsupervised, fuse, "its first container has no command, so that its image's entry point runs")
	}
	return findings
}

// HostUse is what a FUSE container has a volume of the node for.
type HostUse int

// What volumes of the node are for. Fluid v1.0.8 gives them names that tell, in all of its charts.
const (
	// HostNone is a volume that isn't the node's.
	HostNone HostUse = iota
	// HostMount is where the client mounts.
	HostMount
	// HostDevice is the FUSE device.
	HostDevice
	// HostTier is a tier of a worker on the node, from which Alluxio's client may read.
	HostTier
	// HostCache is the client's own cache.
	HostCache
	// HostTime is the node's time zone.
	HostTime
	// HostUnknown is anything else.
	HostUnknown
)

// HostUseOf says what one of the sidecar's volumes is for.
func (s *Sidecar) HostUseOf(volume *corev1.Volume) HostUse {
	begins := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(volume.Name, prefix) })
	}
	switch {
	case volume.HostPath == nil:
		return HostNone
	case volume.Name == s.MountVolume:
		return HostMount
	case path.Clean(volume.HostPath.Path) == "/dev/fuse":
		return HostDevice
	case begins("mem", "ssd", "hdd") && s.Runtime == AlluxioType:
		return HostTier
	case begins("datavolume-", "cache-dir", "mem", "ssd", "hdd"):
		return HostCache
	case begins("volume-localtime"):
		return HostTime
	}
	return HostUnknown
}
