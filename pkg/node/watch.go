//go:build linux

package node

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

// watcher is a connection that is told of the client's states.
type watcher struct{ conn *net.UnixConn }

// wake ends the wait of a watcher. It fails for one that is gone, which waits no more.
func (w *watcher) wake() { _ = w.conn.SetReadDeadline(time.Unix(1, 0)) }

// watch tells a connection the state now and whenever it changes, until the peer is gone. While somebody watches, the client
// is asked now and then whether it's there.
func (c *client) watch(conn *net.UnixConn) {
	w := &watcher{conn}
	c.mu.Lock()
	c.watchers[w] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.watchers, w)
		c.mu.Unlock()
	}()
	var told wire.Reply
	for {
		c.look()
		c.mu.Lock()
		state, version, gone := c.state(), c.version, c.gone
		c.mu.Unlock()
		if gone {
			return
		}
		if state != told {
			if reply(conn, state, -1) != nil {
				return
			}
			told = state
		}
		if !c.rest(w, version) {
			return
		}
	}
}

// rest waits until the state isn't of a version any more, or it's time to ask the client, and reports whether the peer is
// still there. A peer that watches has nothing to say.
func (c *client) rest(w *watcher, version int) bool {
	c.mu.Lock()
	if c.version != version {
		c.mu.Unlock()
		return true
	}
	_ = w.conn.SetReadDeadline(time.Now().Add(probeInterval)) // it fails where Read does
	c.mu.Unlock()
	_, err := w.conn.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}
