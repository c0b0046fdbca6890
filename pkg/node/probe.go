//go:build linux

package node

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/mount"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

const (
	// probeInterval is the time between two questions to a client whether it's there; only one is asked at a time.
	probeInterval = 2 * time.Second
	// probePatience is how long a watcher waits for the answer before it goes on with what is known.
	probePatience = time.Second
)

// probe is a question to a client whether it's there.
type probe struct {
	since time.Time
	done  chan struct{}
}

// look asks the client of what is shown whether it's there. One that hasn't answered for answerTime is given up: its
// connection is aborted, by which all that wait for it end, kubelet among them.
func (c *client) look() {
	c.mu.Lock()
	if c.state().Kind != wire.Served {
		c.mu.Unlock()
		return
	}
	if c.probe == nil {
		c.probe = &probe{since: time.Now(), done: make(chan struct{})}
		go c.ask(c.probe, c.anyTarget())
	}
	p := c.probe
	c.mu.Unlock()
	patience := time.NewTimer(probePatience)
	defer patience.Stop()
	select {
	case <-p.done:
	case <-patience.C:
		if time.Since(p.since) > answerTime {
			c.giveUp(p)
		}
	}
}

// anyTarget returns the path of a data volume: all have the same client.
func (c *client) anyTarget() string {
	for at := range c.data {
		return at
	}
	return ""
}

// ask asks and notes the answer. It may block until the connection is aborted.
func (c *client) ask(p *probe, target string) {
	version, err := c.currentVersion(), error(nil)
	fd, err := mount.Open(target)
	if err == nil {
		err = mount.Alive(fd)
		unix.Close(fd)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.probe = nil
	close(p.done)
	// What changed meanwhile may be what was asked.
	if mount.IsDead(err) && c.version == version && c.state().Kind == wire.Served {
		c.dead = true
		c.log.Info("The FUSE client of what is shown is gone")
		c.changed()
	}
}

func (c *client) currentVersion() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// giveUp takes off what is shown by a client that doesn't answer a probe.
func (c *client) giveUp(p *probe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.probe != p {
		return
	}
	c.log.Error("The FUSE client doesn't answer; aborting its connection", "seconds", int(answerTime.Seconds()))
	for _, d := range c.data {
		if err := d.hide(); err != nil {
			c.log.Error("Can't take off the file system of a client that doesn't answer", "volume", d.volume, "error", err)
		}
	}
	c.dead = true
	c.changed()
}
