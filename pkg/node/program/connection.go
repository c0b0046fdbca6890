//go:build linux

// Package program is what the node plugin delivers into a sidecar: it starts the FUSE client, waits for its mount, and
// stands in for fusermount. It runs in images of others, as any user, without rights; so it needs nothing of them.
package program

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

// retryInterval is the time between two tries to reach the plugin, which is away for a moment when it's replaced.
const retryInterval = 50 * time.Millisecond

// connection is a connection to the node plugin, for one request.
type connection struct{ fd int }

// connect sends a request to the plugin. Until the deadline it tries again.
func connect(socket string, request wire.Request, deadline time.Time) (*connection, error) {
	for {
		c, err := connectOnce(socket, request)
		if err == nil {
			return c, nil
		}
		if !time.Now().Add(retryInterval).Before(deadline) {
			return nil, fmt.Errorf("the node plugin doesn't answer at %s: %w", socket, err)
		}
		time.Sleep(retryInterval)
	}
}

func connectOnce(socket string, request wire.Request) (*connection, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	err = os.NewSyscallError("connect", unix.Connect(fd, &unix.SockaddrUnix{Name: socket}))
	if err == nil {
		err = os.NewSyscallError("sendmsg", unix.Sendmsg(fd, []byte(request), nil, nil, unix.MSG_NOSIGNAL))
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &connection{fd}, nil
}

func (c *connection) close() { unix.Close(c.fd) }

// errTimeout means that there was no reply in time.
var errTimeout = errors.New("no reply in time")

// receive waits for a reply, and the descriptor that comes with it, negative if there is none. Its owner closes that. Zero
// time is for ever.
func (c *connection) receive(deadline time.Time) (wire.Reply, int, error) {
	if err := c.await(deadline); err != nil {
		return wire.Reply{}, -1, err
	}
	packet, rights := make([]byte, wire.ReplyBytes), make([]byte, unix.CmsgSpace(4))
	for {
		n, m, _, _, err := unix.Recvmsg(c.fd, packet, rights, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return wire.Reply{}, -1, os.NewSyscallError("recvmsg", err)
		case n == 0:
			return wire.Reply{}, -1, errors.New("the node plugin closed the connection")
		}
		reply, err := wire.ParseReply(packet[:n])
		return reply, descriptor(rights[:m]), err
	}
}

// await waits until there is something to receive.
func (c *connection) await(deadline time.Time) error {
	for {
		timeout := -1
		if !deadline.IsZero() {
			timeout = int(max(0, time.Until(deadline)).Milliseconds())
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, timeout)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return os.NewSyscallError("poll", err)
		case n == 0:
			return errTimeout
		default:
			return nil
		}
	}
}

// descriptor returns the descriptor in a control message, negative if there is none.
func descriptor(control []byte) int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) != 1 {
		return -1
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1
	}
	return fds[0]
}

// ask sends a request and returns its first reply.
func ask(socket string, request wire.Request, deadline time.Time) (wire.Reply, error) {
	c, err := connect(socket, request, deadline)
	if err != nil {
		return wire.Reply{}, err
	}
	defer c.close()
	reply, fd, err := c.receive(deadline)
	if fd >= 0 {
		unix.Close(fd)
	}
	if err == nil && reply.Kind == wire.Failed {
		err = errors.New("the node plugin refused: " + reply.Text)
	}
	return reply, err
}
