//go:build linux

package node

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/mount"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

// client is a FUSE client of a pod, with its volumes. Nothing that asks the client is done with mu held.
type client struct {
	key    clientKey
	plugin *Plugin
	log    *slog.Logger

	mu sync.Mutex
	// gone means that the last volume is unpublished: nothing may be added.
	gone   bool
	broker *broker
	data   map[string]*data
	// serving is the file system that the client was given and that isn't shown yet.
	serving *attempt
	// dead means that the client of what is or was shown is gone, and no other one has come.
	dead bool
	// cause is why the data isn't there.
	cause  string
	probe  *probe
	starts starts
	// version counts changes of the state; watchers are told of them.
	version  int
	watchers map[*watcher]struct{}
}

// data is a data volume.
type data struct {
	target
	attributes
	// shown means that the client's file system is on top of the dead one; by says which, nil if by an earlier plugin.
	shown bool
	by    *attempt
}

// errGone means that a client has lost its last volume, and that another has to be made.
var errGone = errors.New("the client is gone")

const (
	causeNotAsked = "the FUSE client hasn't asked for its mount yet"
	causeEnded    = "the FUSE client ended, or its connection was aborted, before its file system could be shown"
)

func newClient(p *Plugin, key clientKey) *client {
	return &client{
		key: key, plugin: p, log: p.config.Log.With("pod", key.pod, "client", key.name),
		data: map[string]*data{}, watchers: map[*watcher]struct{}{}, cause: causeNotAsked,
	}
}

// publish makes a volume of the client, or completes it. Without a table of mounts it reads what is mounted. What it made of
// a new volume it takes away if it fails: kubelet doesn't unpublish those.
func (c *client) publish(t target, a attributes, table mountTable) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return errGone
	}
	if table == nil {
		if table, err = readMountTable(); err != nil {
			return err
		}
	}
	mounts := table[t.path]
	if len(mounts) == 0 {
		defer func() {
			if err != nil {
				err = errors.Join(err, remove(t))
			}
		}()
	} else if err := mounts.belongTo(t, a); err != nil {
		return err
	}
	if a.role == volume.RoleBroker {
		return c.publishBroker(t, a, table)
	}
	if c.data[t.path] != nil && len(mounts) > 0 {
		return nil
	}
	if len(mounts) == 0 {
		if err := prepare(t.path, a, unix.S_IFDIR); err != nil {
			return err
		}
	}
	c.data[t.path] = &data{target: t, attributes: a, shown: len(mounts) > 1}
	c.changed()
	return nil
}

// belongTo reports an error if mounts at a target aren't those of the volume that is asked for.
func (s stack) belongTo(t target, a attributes) error {
	of, err := parseSource(s[0].Source)
	if err != nil {
		return fmt.Errorf("on %s: %w", t.path, err)
	}
	if of.role != a.role || of.client != a.client {
		return fmt.Errorf("%s has a volume of role %s and client %s already", t.path, of.role, of.client)
	}
	return nil
}

// isEmpty reports whether the client has no volume.
func (c *client) isEmpty() bool { return c.broker == nil && len(c.data) == 0 }

// has reports whether a volume is the client's; gone that it has none, and gets none any more.
func (c *client) has(t target) (has, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = c.gone || c.isEmpty()
	return c.data[t.path] != nil || c.broker != nil && c.broker.target == t, c.gone
}

// prepare makes the target of a data volume, of a kind, with the dead file system on it.
func prepare(path string, a attributes, kind uint32) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("removing what is at the target: %w", err)
	}
	var err error
	if kind == unix.S_IFREG {
		err = os.WriteFile(path, nil, 0o600)
	} else {
		err = os.Mkdir(path, 0o750)
	}
	if err != nil {
		return fmt.Errorf("making the target: %w", err)
	}
	return mount.Dead(path, a.source(), kind)
}

// unpublish forgets a volume, ends what is done for it, and reports whether it was the last one.
func (c *client) unpublish(t target) (last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	if c.broker != nil && c.broker.target == t {
		c.broker.close()
		c.broker = nil
	}
	delete(c.data, t.path)
	c.changed()
	c.gone = c.isEmpty()
	return c.gone
}

// close ends all that the plugin does for the client, and leaves its volumes.
func (c *client) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.cancel()
	if c.broker != nil {
		c.broker.close()
	}
	c.changed()
}

// state is what watchers are told.
func (c *client) state() wire.Reply {
	if len(c.data) == 0 {
		return wire.Reply{Kind: wire.Waiting, Text: "the pod has no data volume with " + volume.AttributeClient + " " + c.key.name}
	}
	if c.dead {
		return wire.Reply{Kind: wire.Died}
	}
	for _, d := range c.data {
		if !d.shown {
			return wire.Reply{Kind: wire.Waiting, Text: c.cause}
		}
	}
	return wire.Reply{Kind: wire.Served}
}

// changed tells watchers to look at the state.
func (c *client) changed() {
	c.version++
	for w := range c.watchers {
		w.wake()
	}
}

// because sets the cause.
func (c *client) because(cause string) {
	if c.cause != cause {
		c.cause = cause
		c.log.Info("Waiting", "cause", cause)
		c.changed()
	}
}

// run is what the plugin does when a sidecar's container has started: what an earlier one has served is taken off, since
// its client is gone with the container. It returns how long to wait before the client is started.
func (c *client) run() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel()
	for _, d := range c.data {
		if err := d.hide(); err != nil {
			c.log.Error("Can't take off the file system of an earlier client", "volume", d.volume, "error", err)
		}
	}
	c.dead, c.cause = false, causeNotAsked
	c.changed()
	return c.starts.started()
}

// ended notes that a container ends by itself, so that kubelet waits before it starts it again.
func (c *client) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.starts.orderly()
}

// hide takes the client's file system off a target, if it's there.
func (d *data) hide() error {
	if !d.shown {
		return nil
	}
	if _, err := mount.Detach(d.path, true); err != nil {
		return err
	}
	d.shown, d.by = false, nil
	return nil
}

// show puts a client's file system on a target, in place of what was shown before. It takes no longer than a system call:
// in between there is the dead file system, unless the kind of file changed.
func (d *data) show(t tree, by *attempt) error {
	if err := d.hide(); err != nil {
		return err
	}
	at, err := mount.Open(d.path)
	if err != nil {
		return err
	}
	kind, err := mount.Kind(at)
	if err == nil && kind != t.kind {
		unix.Close(at)
		at, err = d.changeKind(t.kind)
	}
	if err != nil {
		return err
	}
	defer unix.Close(at)
	if d.readOnly {
		if err := mount.Restrict(t.fd, unix.MOUNT_ATTR_RDONLY); err != nil {
			return err
		}
	}
	if err := mount.Attach(t.fd, at); err != nil {
		return err
	}
	d.shown, d.by = true, by
	return nil
}

// changeKind makes the target anew as a file or a directory, whichever the sub-path is, and opens it.
func (d *data) changeKind(kind uint32) (int, error) {
	if err := mount.DetachAll(d.path); err != nil {
		return -1, err
	}
	if err := prepare(d.path, d.attributes, kind); err != nil {
		return -1, err
	}
	return mount.Open(d.path)
}
