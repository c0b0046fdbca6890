package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Teardown ends whatever a state directory says is running, completely, also
// after the process that started it was killed. It does nothing if there is nothing.
func Teardown(ctx context.Context, stateDir string) error {
	dir, err := realDir(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take down the cluster in %s: %w", stateDir, err)
	}
	unlock, err := lockFile(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return fmt.Errorf("take down the cluster in %s: %w", stateDir, err)
	}
	defer unlock()
	if err := teardown(ctx, dir, io.Discard); err != nil {
		return fmt.Errorf("take down the cluster in %s: %w", stateDir, err)
	}
	return nil
}

// teardown undoes what Start did in the reverse order. A step that fails does
// not keep the others from being tried; the journal is only removed once all worked.
func teardown(ctx context.Context, stateDir string, out io.Writer) error {
	j, err := readJournal(stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	c := &Cluster{dir: stateDir, journal: j, out: out}
	rec := j.get()
	var errs []error
	if rec.Node {
		errs = append(errs, c.teardownNode(ctx, rec))
	}
	for _, p := range slices.Backward(rec.Processes) {
		// Their data is removed: all that a long grace would be good for.
		errs = append(errs, p.stop(ctx, 3*time.Second))
	}
	// Those started in the instant before their starter was killed.
	for _, p := range markedProcesses(stateDir) {
		errs = append(errs, p.stop(ctx, 0))
	}
	if rec.Node {
		errs = append(errs, c.teardownMounts(ctx))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := c.removeFiles(); err != nil {
		return err
	}
	return j.remove()
}

// removeFiles removes what the cluster wrote, except its logs.
func (c *Cluster) removeFiles() error {
	files := []string{c.MountRoot()}
	for _, name := range []string{"kubeconfig", "kubeconfigs", "pki", "etcd", "bin", "node"} {
		files = append(files, c.path(name))
	}
	for _, file := range files {
		if err := os.RemoveAll(file); err != nil {
			return fmt.Errorf("remove the cluster's files: %w", err)
		}
	}
	return nil
}
