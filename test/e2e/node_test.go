package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// needNode skips a test where pods don't run.
func needNode(t *testing.T) {
	t.Helper()
	if !shared.Node {
		t.Skip("pods don't run on this machine")
	}
}

// fuseMounts returns the lines of a mount table that are FUSE mounts of rclone. A sidecar also sees those of the other
// pods of the node, and its own, in the directory where it removes its pod's.
func fuseMounts(table string) []string {
	var found []string
	for line := range strings.Lines(table) {
		if strings.Contains(line, " fuse.rclone ") && !strings.Contains(line, " /run/kubectl-fluid/pods/") {
			found = append(found, line)
		}
	}
	return found
}

// onNode returns what pods have on the node, which is this machine: FUSE mounts, and directories of their own. A pod's
// directory is named for its namespace; pods of all namespaces are meant if none is given.
func (s *suite) onNode(namespace string) (mounts, directories []string, err error) {
	root := s.Cluster.MountRoot()
	pattern := "*"
	if namespace != "" {
		pattern = namespace + "-*"
	}
	if directories, err = filepath.Glob(filepath.Join(root, "*", "*", "*", pattern)); err != nil {
		return nil, nil, err
	}
	table, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return nil, nil, fmt.Errorf("reading the mounts of the node: %w", err)
	}
	for _, line := range fuseMounts(string(table)) {
		if strings.Contains(line, " "+root+"/") && strings.Contains(line, "/"+strings.TrimSuffix(pattern, "*")) {
			mounts = append(mounts, line)
		}
	}
	return mounts, directories, nil
}

// volumesOnNode returns the lines of the node's mount table that are volumes of the node plugin.
func (s *suite) volumesOnNode(table string) []string {
	var found []string
	for line := range strings.Lines(table) {
		if strings.Contains(line, " "+s.Cluster.KubeletDirectory()+"/pods/") && strings.Contains(line, "/volumes/kubernetes.io~csi/") {
			found = append(found, line)
		}
	}
	return found
}

// served returns the lines of a mount table that are file systems which the node plugin has mounted.
func served(table string) []string {
	var found []string
	for line := range strings.Lines(table) {
		if strings.Contains(line, " fuse.kubectl-fluid ") {
			found = append(found, line)
		}
	}
	return found
}

// leftOnNode returns an error if pods have left anything on the node.
func (s *suite) leftOnNode() error {
	if !s.Node {
		return nil
	}
	mounts, directories, err := s.onNode("")
	if err != nil {
		return err
	}
	table, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return fmt.Errorf("reading the mounts of the node: %w", err)
	}
	mounts = append(mounts, s.volumesOnNode(string(table))...)
	if len(mounts)+len(directories) > 0 {
		return fmt.Errorf("the pods of the tests have left on the node the mounts %q and the directories %q", mounts, directories)
	}
	return nil
}

// nodeHas makes sure that the pods of a namespace have a number of FUSE mounts on the node, each in a directory of its
// own.
func nodeHas(t *testing.T, number int, namespace string) {
	t.Helper()
	mounts, directories, err := shared.onNode(namespace)
	if err != nil || len(mounts) != number || len(directories) != number {
		t.Errorf("want %d on the node, which has the FUSE mounts %q and the directories %q (%v)", number, mounts, directories, err)
	}
}
