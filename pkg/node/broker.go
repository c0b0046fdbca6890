//go:build linux

package node

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/mount"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

const (
	// maximumConnections is how many a broker has at a time: a sidecar needs two, its client's and its hook's, and one
	// more for the moment of a mount.
	maximumConnections = 8
	// acceptInterval is the least time between two connections of a broker, once it has had acceptBurst at once.
	acceptInterval = 20 * time.Millisecond
	acceptBurst    = 16
	// requestTime is how long a connection may take to say what it wants, and replyTime how long to take a reply.
	requestTime, replyTime = 5 * time.Second, time.Second
)

// broker is a broker's volume with what listens in it.
type broker struct {
	target
	options  mount.Options
	listener *net.UnixListener

	mu          sync.Mutex
	closed      bool
	connections map[*net.UnixConn]struct{}
}

// publishBroker makes the broker's volume, or completes it, and listens in it.
func (c *client) publishBroker(t target, a attributes, table mountTable) error {
	mounted := len(table[t.path]) > 0
	if c.broker != nil && c.broker.target != t {
		return fmt.Errorf("the pod has two volumes of role %s for client %s: %s and %s", volume.RoleBroker, c.key.name, c.broker.volume, t.volume)
	}
	if !mounted {
		if err := os.Mkdir(t.path, 0o750); err != nil && !os.IsExist(err) {
			return fmt.Errorf("making the target: %w", err)
		}
		if err := mount.Memory(t.path, a.source()); err != nil {
			return err
		}
	}
	if err := fill(t.path, c.plugin.program, table); err != nil {
		return err
	}
	if c.broker != nil && mounted {
		return nil
	}
	if c.broker != nil {
		// Somebody else unmounted it.
		c.broker.close()
		c.broker = nil
	}
	listener, err := listen(t.path)
	if err != nil {
		return err
	}
	c.broker = &broker{target: t, options: a.options, listener: listener, connections: map[*net.UnixConn]struct{}{}}
	go c.accept(c.broker)
	return nil
}

// listen listens at volume.Socket in a directory, in place of an earlier plugin. A socket's address is shorter than the
// path of a pod's volume may be, therefore it's relative to a descriptor.
func listen(path string) (*net.UnixListener, error) {
	directory, err := mount.Open(path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(directory)
	if err = unix.Unlinkat(directory, volume.Socket, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("removing what is at the socket's place in %s: %w", path, err)
	}
	name := fmt.Sprintf("/proc/self/fd/%d/%s", directory, volume.Socket)
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: name, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("listening in %s: %w", path, err)
	}
	listener.SetUnlinkOnClose(false)
	if err := openToAll(directory); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// openToAll lets each user connect to the socket in a directory: a sidecar may run as any.
func openToAll(directory int) error {
	socket, err := openIn(directory, volume.Socket, unix.S_IFSOCK)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	return os.Chmod(fmt.Sprintf("/proc/self/fd/%d", socket), 0o666)
}

// close ends the listener and all connections.
func (b *broker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.listener.Close()
	for conn := range b.connections {
		conn.Close()
	}
}

// enter counts a connection and reports whether there is room for it.
func (b *broker) enter(conn *net.UnixConn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.connections) >= maximumConnections {
		return false
	}
	b.connections[conn] = struct{}{}
	return true
}

func (b *broker) leave(conn *net.UnixConn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.connections, conn)
	conn.Close()
}

// accept answers connections until the listener is closed.
func (c *client) accept(b *broker) {
	tokens, last := float64(acceptBurst), time.Now()
	for {
		conn, err := b.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			c.log.Error("Can't accept a connection", "error", err)
			time.Sleep(time.Second)
			continue
		}
		if b.enter(conn) {
			go func() {
				defer b.leave(conn)
				c.answer(conn)
			}()
		} else {
			conn.Close()
		}
		tokens = min(acceptBurst, tokens+float64(time.Since(last))/float64(acceptInterval)) - 1
		last = time.Now()
		if tokens < 0 {
			time.Sleep(acceptInterval)
		}
	}
}

// answer answers the one request of a connection. What the peer sends is bounded: one packet, of which the kernel drops
// what is longer, and the descriptors that come with it.
func (c *client) answer(conn *net.UnixConn) {
	packet := make([]byte, wire.RequestBytes+1)
	_ = conn.SetReadDeadline(time.Now().Add(requestTime)) // it fails where Read does
	n, err := conn.Read(packet)
	if err != nil {
		return
	}
	request, err := wire.ParseRequest(packet[:n])
	if err != nil {
		_ = reply(conn, wire.Reply{Kind: wire.Failed, Text: err.Error()}, -1)
		return
	}
	switch request {
	case wire.Mount:
		c.answerMount(conn)
	case wire.Run:
		_ = reply(conn, wire.StartAfter(int(c.run().Seconds())), -1)
	case wire.Ended:
		c.ended()
		_ = reply(conn, wire.Reply{Kind: wire.Noted}, -1)
	case wire.Watch:
		c.watch(conn)
	}
}

// answerMount gives a file system to the client, and shows it once the client answers.
func (c *client) answerMount(conn *net.UnixConn) {
	device, options, a, err := c.attempt()
	if err != nil {
		c.log.Error("Can't mount", "error", err)
		_ = reply(conn, wire.Reply{Kind: wire.Failed, Text: err.Error()}, -1)
		return
	}
	// If the reply doesn't arrive, nobody has the descriptor, and the attempt ends for that.
	if err := reply(conn, wire.Reply{Kind: wire.Mounted, Text: options.Effective()}, device); err != nil {
		c.log.Error("Can't hand over a mount", "error", err)
	}
	unix.Close(device)
	go a.serve()
}

// reply sends a reply, with a descriptor unless that is negative. An error says that the peer is gone, which only matters to
// who has a descriptor to give.
func reply(conn *net.UnixConn, r wire.Reply, descriptor int) error {
	var rights []byte
	if descriptor >= 0 {
		rights = unix.UnixRights(descriptor)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(replyTime)) // it fails where the write does
	_, _, err := conn.WriteMsgUnix(r.Encode(), rights, nil)
	return err
}
