package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// shareMountRoot makes MountRoot, wanted if that can be made, a mount that its containers' mounts propagate
// to: containerd refuses Bidirectional volumes on mounts that aren't shared.
func (c *Cluster) shareMountRoot(ctx context.Context, wanted string) error {
	if wanted != "" && os.Mkdir(wanted, 0o755) == nil {
		if err := c.journal.update(func(r *record) { r.MountRoot = wanted }); err != nil {
			return errors.Join(err, os.Remove(wanted))
		}
	}
	root := c.MountRoot()
	if err := os.MkdirAll(root, 0o755); err != nil {
		return fmt.Errorf("create the mount root: %w", err)
	}
	if _, err := command(ctx, "", "mount", "--bind", root, root); err != nil {
		return fmt.Errorf("share the mount root: %w", err)
	}
	if _, err := command(ctx, "", "mount", "--make-rshared", root); err != nil {
		return fmt.Errorf("share the mount root: %w", err)
	}
	return nil
}

// mountsBelow returns the mount points at and below dir, those mounted last first.
func mountsBelow(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read the mounts of this machine: %w", err)
	}
	var mounts []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescapeMount(fields[4])
		if point == dir || strings.HasPrefix(point, dir+"/") {
			mounts = append(mounts, point)
		}
	}
	slices.Reverse(mounts)
	return mounts, nil
}

// unescapeMount undoes the kernel's escapes of characters that separate fields.
func unescapeMount(field string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(field)
}

// teardownMounts unmounts all that is mounted below the state directory and the mount root.
func (c *Cluster) teardownMounts(ctx context.Context) error {
	return errors.Join(unmountAll(ctx, c.dir), unmountAll(ctx, c.MountRoot()))
}

// unmountAll unmounts all that is mounted at and below a directory. FUSE
// mounts whose client was killed can only be unmounted lazily.
func unmountAll(ctx context.Context, dir string) error {
	var errs []error
	// Unmounting one mount may show another beneath it.
	for range 5 {
		mounts, err := mountsBelow(dir)
		if err != nil {
			return err
		}
		if len(mounts) == 0 {
			return nil
		}
		errs = nil
		for _, mount := range mounts {
			// Not canonicalized: that would ask a dead FUSE client.
			if _, err := command(ctx, "/", "umount", "--no-canonicalize", mount); err == nil {
				continue
			}
			if _, err := command(ctx, "/", "umount", "--no-canonicalize", "--lazy", mount); err != nil {
				errs = append(errs, err)
			}
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.Join(append(errs, fmt.Errorf("unmount what is below %s: something is still mounted; see /proc/self/mountinfo", dir))...)
}
