//go:build linux

package node

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/mount"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// deliver copies the program into a directory on the node, once, under a name that has its digest, and returns that copy.
// Those of other releases go: pods that have one keep it, since a mount keeps its file.
func deliver(program, directory string) (string, error) {
	contents, err := os.ReadFile(program)
	if err != nil {
		return "", fmt.Errorf("reading the program for sidecars: %w", err)
	}
	prefix := volume.Program + "-"
	name := fmt.Sprintf("%s%x", prefix, sha256.Sum256(contents))
	entries, err := os.ReadDir(directory)
	if err != nil {
		return "", fmt.Errorf("looking for programs of other releases: %w", err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) && e.Name() != name {
			if err := os.Remove(filepath.Join(directory, e.Name())); err != nil {
				return "", fmt.Errorf("removing the program of another release: %w", err)
			}
		}
	}
	path := filepath.Join(directory, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := writeWhole(path, contents); err != nil {
		return "", fmt.Errorf("delivering the program for sidecars: %w", err)
	}
	return path, nil
}

// writeWhole writes an executable that is either there as a whole or not at all.
func writeWhole(path string, contents []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(contents)
	if err = errors.Join(err, f.Chmod(0o555), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path+".new"))
	}
	return os.Rename(path+".new", path)
}

// fill puts the files into a broker that belong there, and aren't there yet. What a pod has put in their places is not
// followed: links are never, and other kinds of files are an error.
func fill(broker, program string, table mountTable) error {
	directory, err := mount.Open(broker)
	if err != nil {
		return err
	}
	defer unix.Close(directory)
	if err := create(directory, volume.Device, 0o666); err != nil {
		return err
	}
	for _, name := range []string{volume.Program, volume.Fusermount, volume.Fusermount3} {
		if len(table[filepath.Join(broker, name)]) > 0 {
			continue
		}
		if err := create(directory, name, 0o555); err != nil {
			return err
		}
		if err := cover(directory, name, program); err != nil {
			return fmt.Errorf("mounting %s on %s in %s: %w", program, name, broker, err)
		}
	}
	return nil
}

// create makes an empty file in a directory if there is nothing of its name.
func create(directory int, name string, mode uint32) error {
	fd, err := unix.Openat(directory, name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "create", Path: name, Err: err}
	}
	// Whatever the process's umask is.
	return errors.Join(os.NewSyscallError("fchmod", unix.Fchmod(fd, mode)), unix.Close(fd))
}

// cover mounts a program read-only on a regular file of a directory.
func cover(directory int, name, program string) error {
	at, err := openIn(directory, name, unix.S_IFREG)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	from, err := mount.Open(program)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	tree, err := mount.Clone(from)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	if err := mount.Restrict(tree, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV); err != nil {
		return err
	}
	return mount.Attach(tree, at)
}

// openIn returns a descriptor of a file in a directory that is of a kind, and no link to one. Its owner closes it.
func openIn(directory int, name string, kind uint32) (int, error) {
	fd, err := unix.Openat(directory, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: name, Err: err}
	}
	is, err := mount.Kind(fd)
	if err == nil && is != kind {
		err = fmt.Errorf("%s was replaced by another kind of file (%#o)", name, is)
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}
