//go:build linux

// Package node is the node plugin: a CSI node driver that makes the two system calls for which a FUSE client needs rights,
// open of /dev/fuse and mount, and hands the open descriptor to the client, which runs in a container without any. It
// knows no Dataset and asks nobody outside of the node.
//
// A volume is what kubelet's request to publish it says, and is kept in the kernel: the source of its lowest mount has its
// attributes. A plugin that starts finds all volumes in mountinfo and listens for their clients again.
//
// On the target of a data volume there are at most two mounts. The lower is a FUSE file system that nobody serves; it's
// there from publishing to unpublishing. So whoever comes before the client gets the error ENOTCONN, and never an empty
// directory. On top of it is the file system of the client, from its first answer until another takes its place.
package node

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/mount"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// Config is what a Plugin has to know.
type Config struct {
	// KubeletDirectory is kubelet's --root-dir. The plugin must see it by the same path as kubelet, and its pods directory
	// with mount propagation in both directions.
	KubeletDirectory string
	// HiddenDirectory is an empty directory where the plugin mounts what no other process should see.
	HiddenDirectory string
	// Program is the executable that is delivered into sidecars.
	Program string
	// NodeName is the name of the node's object.
	NodeName string
	Log      *slog.Logger
}

// Directory is the plugin's own directory below kubelet's.
func (c Config) Directory() string {
	return filepath.Join(c.KubeletDirectory, "plugins", volume.Driver)
}

// maximumVolumes is how many volumes of this driver a pod may have. Each costs a mount, and each broker a listener.
const maximumVolumes = 64

// Plugin has the volumes of a node.
type Plugin struct {
	config Config
	// program is the copy of the program that goes into brokers.
	program string
	hidden  atomic.Int64

	mu      sync.Mutex
	clients map[clientKey]*client
	// volumes are the published ones, by the path of the target.
	volumes map[string]*client
}

// clientKey names a FUSE client: the sidecar's container in a pod.
type clientKey struct{ pod, name string }

// New makes a Plugin and takes over the volumes that an earlier one has left.
func New(config Config) (*Plugin, error) {
	p := &Plugin{config: config, clients: map[clientKey]*client{}, volumes: map[string]*client{}}
	if err := os.MkdirAll(config.Directory(), 0o750); err != nil {
		return nil, fmt.Errorf("making the plugin's directory: %w", err)
	}
	var err error
	if p.program, err = deliver(config.Program, config.Directory()); err != nil {
		return nil, err
	}
	if err := mount.Private(config.HiddenDirectory); err != nil {
		return nil, err
	}
	if err := p.takeOver(); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close stops listening. Volumes stay as they are, and clients serve on.
func (p *Plugin) Close() error {
	p.mu.Lock()
	clients := make([]*client, 0, len(p.clients))
	for _, c := range p.clients {
		clients = append(clients, c)
	}
	p.clients, p.volumes = map[clientKey]*client{}, map[string]*client{}
	p.mu.Unlock()
	for _, c := range clients {
		c.close()
	}
	return mount.DetachAll(p.config.HiddenDirectory)
}

// takeOver publishes the volumes anew that mountinfo shows: first those with data, so that a client is told of all or
// nothing. One that can't be is left to kubelet, which asks again.
func (p *Plugin) takeOver() error {
	table, err := readMountTable()
	if err != nil {
		return err
	}
	for _, role := range []string{volume.RoleData, volume.RoleBroker} {
		volumes := 0
		for at, mounts := range table {
			t, err := parseTarget(p.config.KubeletDirectory, at)
			if err != nil || !strings.HasPrefix(mounts[0].Source, sourcePrefix) {
				continue
			}
			a, err := parseSource(mounts[0].Source)
			if err == nil && a.role != role {
				continue
			}
			if err == nil {
				err = p.publish(t, a, table)
			}
			if err != nil {
				p.config.Log.Error("Can't take over a volume of an earlier node plugin", "pod", t.pod, "volume", t.volume, "error", err)
				continue
			}
			volumes++
		}
		p.config.Log.Info("Took over the volumes on this node", "role", role, "volumes", volumes)
	}
	return nil
}

// publish makes a volume, or completes what is there of it. Without a table of mounts it reads what is mounted.
func (p *Plugin) publish(t target, a attributes, table mountTable) error {
	for {
		c, err := p.clientFor(t, a)
		if err != nil {
			return err
		}
		err = c.publish(t, a, table)
		if err == nil {
			return nil
		}
		if has, gone := c.has(t); gone {
			p.forget(c)
		} else if !has {
			p.mu.Lock()
			delete(p.volumes, t.path)
			p.mu.Unlock()
		}
		// Another request took the client's last volume away meanwhile.
		if !errors.Is(err, errGone) {
			return err
		}
	}
}

// clientFor returns the client of a volume, and records that the volume is the client's.
func (p *Plugin) clientFor(t target, a attributes) (*client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := clientKey{pod: t.pod, name: a.client}
	if c := p.volumes[t.path]; c != nil && c.key != key {
		return nil, fmt.Errorf("volume %s of pod %s is published for client %s and asked for with client %s", t.volume, t.pod, c.key.name, a.client)
	} else if c != nil {
		return c, nil
	}
	if n := p.volumesOf(t.pod); n >= maximumVolumes {
		return nil, fmt.Errorf("pod %s has %d volumes of %s; more aren't allowed", t.pod, n, volume.Driver)
	}
	c := p.clients[key]
	if c == nil {
		c = newClient(p, key)
		p.clients[key] = c
	}
	p.volumes[t.path] = c
	return c, nil
}

func (p *Plugin) volumesOf(pod string) int {
	n := 0
	for _, c := range p.volumes {
		if c.key.pod == pod {
			n++
		}
	}
	return n
}

// unpublish takes a volume away, whatever there is of it, and though it may be unknown.
func (p *Plugin) unpublish(t target) error {
	p.mu.Lock()
	c := p.volumes[t.path]
	delete(p.volumes, t.path)
	p.mu.Unlock()
	if c != nil && c.unpublish(t) {
		p.forget(c)
	}
	return remove(t)
}

// remove takes away a target and all that is mounted there.
func remove(t target) error {
	if err := mount.DetachAll(t.path); err != nil {
		return err
	}
	if err := os.Remove(t.path); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("removing the target of volume %s of pod %s: %w", t.volume, t.pod, err)
	}
	return nil
}

// forget drops a client that has no volume any more.
func (p *Plugin) forget(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients[c.key] == c {
		delete(p.clients, c.key)
	}
	for at, of := range p.volumes {
		if of == c {
			delete(p.volumes, at)
		}
	}
}
