package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// cgroupDirs returns the directories of a cgroup: one per hierarchy on cgroup
// v1, a single one on v2.
func cgroupDirs(name string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("find the cgroup hierarchies: %w", err)
	}
	var dirs []string
	for line := range strings.Lines(string(data)) {
		mount, rest, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 5 || !strings.HasPrefix(rest, "cgroup") {
			continue
		}
		if point := unescapeMount(fields[4]); strings.HasPrefix(point, "/sys/fs/cgroup") {
			dirs = append(dirs, filepath.Join(point, name))
		}
	}
	return dirs, nil
}

// createCgroup creates the cgroup below which kubelet puts those of pods: two
// kubelets of a machine would each end the pods of the other in a common one.
func createCgroup(name string) error {
	dirs, err := cgroupDirs(name)
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		parent := filepath.Dir(dir)
		// On cgroup v2, a cgroup has the controllers that its parent hands down.
		if controllers, err := os.ReadFile(filepath.Join(parent, "cgroup.controllers")); err == nil {
			for _, controller := range strings.Fields(string(controllers)) {
				// One that can't be handed down is reported by kubelet if it matters.
				_ = os.WriteFile(filepath.Join(parent, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
			}
		}
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("create the cgroup of pods: %w", err)
		}
	}
	return nil
}

// killCgroup ends all processes in a cgroup: those of containers, whoever
// started them. It returns how many there were.
func killCgroup(name string) (int, error) {
	dirs, err := cgroupDirs(name)
	if err != nil {
		return 0, err
	}
	pids := map[int]bool{}
	for _, dir := range dirs {
		for _, group := range subdirectories(dir) {
			data, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
			if err != nil {
				continue // It was removed meanwhile.
			}
			for _, field := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
					pids[pid] = true
				}
			}
		}
	}
	var errs []error
	for pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("end the process %d of a container: %w", pid, err))
		}
	}
	return len(pids), errors.Join(errs...)
}

// removeCgroup removes a cgroup and those in it.
func removeCgroup(name string) error {
	dirs, err := cgroupDirs(name)
	if err != nil {
		return err
	}
	var errs []error
	for _, dir := range dirs {
		for _, group := range slices.Backward(subdirectories(dir)) {
			if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove a cgroup of pods: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// subdirectories returns dir, if it exists, and the directories below it, each
// after the one that it is in.
func subdirectories(dir string) []string {
	var dirs []string
	// What vanishes while it is walked needs no attention.
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}
