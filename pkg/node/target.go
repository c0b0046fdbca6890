//go:build linux

package node

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"k8s.io/mount-utils"
)

// target is where kubelet wants a volume.
type target struct{ path, pod, volume string }

// UIDs of pods and names of their volumes have no other characters (Kubernetes); the point is that none is a way out of
// kubelet's directory.
var pathElement = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9._]{0,252})$`)

// parseTarget reads the path of a CSI volume in kubelet's directory (Kubernetes 1.37):
// pods/UID/volumes/kubernetes.io~csi/NAME/mount. The pod is known from it, never from what a peer says.
func parseTarget(kubeletDirectory, path string) (target, error) {
	rest, inside := strings.CutPrefix(path, filepath.Join(kubeletDirectory, "pods")+"/")
	elements := strings.Split(rest, "/")
	if !inside || len(elements) != 5 || elements[1] != "volumes" || elements[2] != "kubernetes.io~csi" || elements[4] != "mount" ||
		!pathElement.MatchString(elements[0]) || !pathElement.MatchString(elements[3]) {
		return target{}, fmt.Errorf("target path %q isn't that of a pod's CSI volume in kubelet's directory %s", path, kubeletDirectory)
	}
	return target{path: path, pod: elements[0], volume: elements[3]}, nil
}

// stack is what is mounted at one path, the lowest first.
type stack []mount.MountInfo

// mountTable is mountinfo by mount point.
type mountTable map[string]stack

// readMountTable reads the mounts of this process's mount namespace.
func readMountTable() (mountTable, error) {
	mounts, err := mount.ParseMountInfo("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading this process's mounts: %w", err)
	}
	return newMountTable(mounts), nil
}

// newMountTable sorts mounts by their mount points. Of those at the same one, each is mounted on the one before.
func newMountTable(mounts []mount.MountInfo) mountTable {
	table := mountTable{}
	for _, m := range mounts {
		table[m.MountPoint] = append(table[m.MountPoint], m)
	}
	for at, s := range table {
		if len(s) > 1 {
			table[at] = s.sorted()
		}
	}
	return table
}

// sorted follows the parents from the mount whose parent isn't at the same mount point. mountinfo lists a mount after its
// parent, but not where another mount namespace's were propagated.
func (s stack) sorted() stack {
	here := map[int]bool{}
	children := map[int]mount.MountInfo{}
	for _, m := range s {
		here[m.ID] = true
		children[m.ParentID] = m
	}
	var out stack
	for _, m := range s {
		if here[m.ParentID] {
			continue
		}
		for next, ok := m, true; ok && len(out) < len(s); next, ok = children[next.ID] {
			out = append(out, next)
		}
	}
	return out
}
