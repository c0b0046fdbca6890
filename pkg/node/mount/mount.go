//go:build linux

// Package mount is what the node plugin asks of the kernel: FUSE file systems, and parts of them attached elsewhere.
//
// A call that has to ask a FUSE client may block until the client answers or its connection is aborted: Alive and OpenTree.
// All others return at once whatever a client does. Detach with force is what ends calls that block.
package mount

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Type is the type of the file systems. What follows the dot is a name that mountinfo shows.
const Type = "fuse.kubectl-fluid"

// FUSE mounts a FUSE file system on a target of the kind that mode says, unix.S_IFDIR or unix.S_IFREG, and returns the
// descriptor by which a client serves it. Its owner closes it: once nobody has it open, all access fails with ENOTCONN.
// Nothing can be read before a client has answered.
func FUSE(target, source string, mode uint32, options Options) (device int, err error) {
	device, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening /dev/fuse, which needs the kernel's module fuse on the node: %w", err)
	}
	data := fmt.Sprintf("fd=%d,rootmode=%o,user_id=0,group_id=0,%s", device, mode, options.data())
	if err := unix.Mount(source, target, Type, options.flags(), data); err != nil {
		unix.Close(device)
		return -1, fmt.Errorf("mounting FUSE (%s) on %s: %w", options, target, err)
	}
	return device, nil
}

// Dead mounts a FUSE file system that nobody can ever serve: all access to it fails with ENOTCONN.
func Dead(target, source string, mode uint32) error {
	device, err := FUSE(target, source, mode, Options{ReadOnly: true})
	if err != nil {
		return err
	}
	return unix.Close(device)
}

// Memory mounts a file system in memory for a few small files that don't run.
func Memory(target, source string) error {
	err := unix.Mount(source, target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=64k,nr_inodes=32,mode=0755")
	if err != nil {
		return fmt.Errorf("mounting tmpfs on %s: %w", target, err)
	}
	return nil
}

// Private mounts a file system in memory that has mount points which no other mount namespace ever sees.
func Private(target string) error {
	if err := unix.Mount("kubectl-fluid", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=1m,mode=0700"); err != nil {
		return fmt.Errorf("mounting tmpfs on %s: %w", target, err)
	}
	if err := unix.Mount("", target, "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mount %s private: %w", target, err)
	}
	return nil
}

// Detach takes the topmost mount off a target, though it's in use, and reports whether there was one. With force, it first
// aborts the connection of a FUSE file system, wherever else that is mounted: who waits for the client gets an error.
func Detach(target string, force bool) (bool, error) {
	flags := unix.MNT_DETACH | unix.UMOUNT_NOFOLLOW
	if force {
		flags |= unix.MNT_FORCE
	}
	err := unix.Unmount(target, flags)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return false, nil
	}
	return false, fmt.Errorf("unmounting %s: %w", target, err)
}

// maximumStack is more mounts than the plugin ever stacks on one target.
const maximumStack = 32

// DetachAll takes everything off a target that is mounted there, with force.
func DetachAll(target string) error {
	for range maximumStack {
		was, err := Detach(target, true)
		if err != nil || !was {
			return err
		}
	}
	return fmt.Errorf("unmounting %s: there are still mounts after %d", target, maximumStack)
}

// Open returns a descriptor of what is mounted at a path, which stays that of the same mount whatever is mounted there
// later. It asks no client. Its owner closes it.
func Open(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// Alive asks a FUSE file system's client for the attributes of what a descriptor is of, and returns its answer. IsDead
// tells an error that means that there is no client any more.
func Alive(fd int) error {
	var answer unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &answer); err != nil {
		return os.NewSyscallError("statx", err)
	}
	return nil
}

// Kind returns which of unix.S_IFDIR, unix.S_IFREG and others a descriptor is of. It asks no client.
func Kind(fd int) (uint32, error) {
	var kind unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_TYPE, &kind); err != nil {
		return 0, os.NewSyscallError("statx", err)
	}
	return uint32(kind.Mode) & unix.S_IFMT, nil
}

// IsDead reports whether an error says that a FUSE file system has no client any more.
func IsDead(err error) bool {
	return errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED)
}

// OpenTree returns a mount of a path's file or directory below a directory, not attached anywhere, and which of
// unix.S_IFDIR and unix.S_IFREG it is. The path never leads out of the directory's file system: not by "..", not by
// symbolic links, of which absolute ones fail. The empty path is the directory. Its owner closes the tree.
func OpenTree(directory int, path string) (tree int, mode uint32, err error) {
	found, err := openBeneath(directory, path)
	if err != nil {
		return -1, 0, err
	}
	defer unix.Close(found)
	if mode, err = Kind(found); err != nil {
		return -1, 0, fmt.Errorf("%q: %w", path, err)
	}
	if mode != unix.S_IFDIR && mode != unix.S_IFREG {
		return -1, 0, fmt.Errorf("%q is neither a directory nor a regular file", path)
	}
	tree, err = Clone(found)
	return tree, mode, err
}

// openBeneath opens a path below a directory, without leaving its file system.
func openBeneath(directory int, path string) (int, error) {
	if path == "" {
		path = "."
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	for range 10 {
		fd, err := unix.Openat2(directory, path, &how)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.EAGAIN):
			// Something was renamed while the kernel looked for a way out.
			continue
		case errors.Is(err, unix.EXDEV), errors.Is(err, unix.ELOOP):
			return -1, fmt.Errorf("%q has a symbolic link that is absolute, leads out of the file system, or to itself: %w", path, err)
		}
		return -1, &os.PathError{Op: "openat2", Path: path, Err: err}
	}
	return -1, &os.PathError{Op: "openat2", Path: path, Err: unix.EAGAIN}
}

// Clone returns a mount of what a descriptor is of, not attached anywhere. Its owner closes it.
func Clone(fd int) (int, error) {
	tree, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("open_tree", err)
	}
	return tree, nil
}

// Restrict sets attributes of a tree that isn't attached: unix.MOUNT_ATTR_RDONLY and others.
func Restrict(tree int, attributes uint64) error {
	return os.NewSyscallError("mount_setattr", unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: attributes}))
}

// Attach mounts a tree on top of what is mounted at a target, which a descriptor is of.
func Attach(tree, target int) error {
	return os.NewSyscallError("move_mount", unix.MoveMount(tree, "", target, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH))
}
