//go:build linux

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/mount"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

const (
	// answerTime is how long a client may take to answer for its root directory, or a sub-path, before its connection is
	// aborted.
	answerTime = 2 * time.Minute
	// The times between looks for a sub-path that isn't there yet.
	firstRetry, lastRetry = 250 * time.Millisecond, 5 * time.Second
)

// attempt is a file system that was given to a client and isn't shown yet. It's mounted where only the plugin sees it.
type attempt struct {
	client    *client
	directory string
	root      int
	// canceled is closed when the attempt is to end.
	canceled chan struct{}
}

// tree is a part of a client's file system that can be attached to a target of its kind.
type tree struct {
	fd   int
	kind uint32
}

type trees map[string]tree

func (t trees) close() {
	for _, one := range t {
		unix.Close(one.fd)
	}
}

// attempt mounts a file system for the client and returns the descriptor to serve it by. An earlier attempt ends. The
// file system that is shown stays until this one answers: a second client in a sidecar doesn't disturb the first.
func (c *client) attempt() (device int, options mount.Options, a *attempt, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broker == nil || c.gone {
		return -1, mount.Options{}, nil, errors.New("the pod's volumes are being taken away")
	}
	if len(c.data) == 0 {
		return -1, mount.Options{}, nil, fmt.Errorf("the pod has no data volume with %s %s", volume.AttributeClient, c.key.name)
	}
	c.cancel()
	options = c.broker.options
	directory := filepath.Join(c.plugin.config.HiddenDirectory, strconv.FormatInt(c.plugin.hidden.Add(1), 10))
	if err = os.Mkdir(directory, 0o700); err != nil {
		return -1, options, nil, err
	}
	device, err = mount.FUSE(directory, "kubectl-fluid", unix.S_IFDIR, options)
	if err != nil {
		return -1, options, nil, errors.Join(err, os.Remove(directory))
	}
	root, err := mount.Open(directory)
	if err != nil {
		_, detached := mount.Detach(directory, true)
		return -1, options, nil, errors.Join(err, unix.Close(device), detached, os.Remove(directory))
	}
	a = &attempt{client: c, directory: directory, root: root, canceled: make(chan struct{})}
	c.serving = a
	c.because("the FUSE client has asked for its mount and doesn't answer yet")
	return device, options, a, nil
}

// cancel ends the attempt, if there is one. Calls that wait for its client end with an error.
func (c *client) cancel() {
	if c.serving == nil {
		return
	}
	close(c.serving.canceled)
	c.serving.abort()
	c.serving = nil
}

// abort aborts the connection and takes the hidden mount off.
func (a *attempt) abort() {
	if _, err := mount.Detach(a.directory, true); err != nil {
		a.client.log.Error("Can't take off a file system that isn't shown", "error", err)
	}
}

// serve waits until the client answers for all that is to be shown, and shows it.
func (a *attempt) serve() {
	defer a.remove()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := a.try()
		if err == nil {
			return
		}
		if mount.IsDead(err) {
			a.fail(causeEnded)
			return
		}
		if !a.report(err) {
			return
		}
		select {
		case <-a.canceled:
			return
		case <-time.After(wait):
		}
	}
}

// remove takes away what is left of an attempt. What is shown of its file system stays.
func (a *attempt) remove() {
	if _, err := mount.Detach(a.directory, false); err != nil {
		a.client.log.Error("Can't take off the hidden mount of a file system", "error", err)
	}
	unix.Close(a.root)
	if err := os.Remove(a.directory); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.client.log.Error("Can't remove a hidden mount point", "error", err)
	}
}

// report sets the cause that an attempt hasn't succeeded yet, and reports whether it's still wanted.
func (a *attempt) report(err error) bool {
	a.client.mu.Lock()
	defer a.client.mu.Unlock()
	if a.client.serving != a {
		return false
	}
	a.client.because(err.Error())
	return true
}

// fail ends an attempt for a cause.
func (a *attempt) fail(cause string) {
	a.client.mu.Lock()
	defer a.client.mu.Unlock()
	if a.client.serving == a {
		a.client.serving = nil
		a.client.because(cause)
	}
}

// try looks once for all that is to be shown, and shows it.
func (a *attempt) try() error {
	wanted := a.wanted()
	found, err := a.look(wanted)
	if err != nil {
		return err
	}
	defer found.close()
	return a.show(found)
}

// wanted returns the sub-paths of the data volumes, by target.
func (a *attempt) wanted() map[string]string {
	a.client.mu.Lock()
	defer a.client.mu.Unlock()
	wanted := map[string]string{}
	for at, d := range a.client.data {
		wanted[at] = d.subPath
	}
	return wanted
}

// look opens what is wanted. If the client doesn't answer in time, its connection is aborted.
func (a *attempt) look(wanted map[string]string) (trees, error) {
	type result struct {
		trees
		error
	}
	results, abandoned := make(chan result), make(chan struct{})
	go func() {
		found, err := openAll(a.root, wanted)
		select {
		case results <- result{found, err}:
		case <-abandoned:
			found.close()
		}
	}()
	timeout := time.NewTimer(answerTime)
	defer timeout.Stop()
	select {
	case r := <-results:
		return r.trees, r.error
	case <-timeout.C:
		close(abandoned)
		a.abort()
		return nil, fmt.Errorf("the FUSE client hasn't answered for %s: %w", answerTime, unix.ECONNABORTED)
	case <-a.canceled:
		close(abandoned)
		return nil, unix.ECONNABORTED
	}
}

// openAll asks the client for its root directory and opens the sub-paths in it. It may block for ever.
func openAll(root int, wanted map[string]string) (trees, error) {
	if err := mount.Alive(root); err != nil {
		return nil, fmt.Errorf("the FUSE client's root directory: %w", err)
	}
	found := trees{}
	for at, subPath := range wanted {
		fd, kind, err := mount.OpenTree(root, subPath)
		if err != nil {
			found.close()
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("the FUSE client's file system has no %q: %w", subPath, err)
			}
			return nil, err
		}
		found[at] = tree{fd, kind}
	}
	return found, nil
}

// show shows what was found on the targets. A volume that was published meanwhile is an error: then it's tried again.
func (a *attempt) show(found trees) error {
	c := a.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.serving != a {
		return unix.ECONNABORTED
	}
	for at, d := range c.data {
		t, ok := found[at]
		if !ok {
			return fmt.Errorf("volume %s of the pod came later", d.volume)
		}
		if d.by == a {
			continue
		}
		if err := d.show(t, a); err != nil {
			return fmt.Errorf("showing the FUSE client's file system in volume %s: %w", d.volume, err)
		}
	}
	c.serving, c.dead = nil, false
	c.starts.orderly()
	c.log.Info("Serving", "volumes", len(c.data))
	c.changed()
	return nil
}
