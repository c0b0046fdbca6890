// Package wire is what a sidecar's program and the node plugin say to each other, over the socket in the broker's volume.
//
// The socket keeps packets apart (SOCK_SEQPACKET). A connection is for one request, of one packet. Its replies are packets
// too. The program may be of another release than the plugin: a pod keeps the one that it started with. So a meaning is
// never changed; a new one gets a new word, and whoever doesn't know it says so.
package wire

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Request is what a sidecar asks for.
type Request string

const (
	// Mount asks for a FUSE file system. The reply is Mounted, with the open /dev/fuse as its one descriptor, or Failed.
	Mount Request = "mount"
	// Run says that a sidecar's container has started. The reply is Start.
	Run Request = "run"
	// Ended says that the client ended, and that the container will end by itself. The reply is Noted.
	Ended Request = "ended"
	// Watch asks for the state of the client's file system: Waiting, Served or Died, now and whenever it changes.
	Watch Request = "watch"
)

// RequestBytes is more than any request has.
const RequestBytes = 64

// ReplyBytes is the most that a reply has. Encode cuts longer texts.
const ReplyBytes = 1024

// ParseRequest reads a packet, which may come from anybody.
func ParseRequest(packet []byte) (Request, error) {
	switch r := Request(packet); r {
	case Mount, Run, Ended, Watch:
		return r, nil
	}
	if len(packet) > RequestBytes {
		packet = packet[:RequestBytes]
	}
	return "", fmt.Errorf("request %q isn't known", packet)
}

// Kind is what a reply says.
type Kind string

const (
	// Mounted has the options that the file system was mounted with.
	Mounted Kind = "mounted"
	// Failed has the reason.
	Failed Kind = "failed"
	// Start has the number of seconds to wait before the client is started.
	Start Kind = "start"
	// Noted has no text.
	Noted Kind = "noted"
	// Waiting has what is missing before the data is there.
	Waiting Kind = "waiting"
	// Served means that all data volumes of the client have its file system. It has no text.
	Served Kind = "served"
	// Died means that the file system had been served, and that its client is gone. It has no text.
	Died Kind = "died"
)

// Reply is a Kind with its text.
type Reply struct {
	Kind Kind
	Text string
}

// Encode makes a packet.
func (r Reply) Encode() []byte {
	packet := string(r.Kind)
	if r.Text != "" {
		packet += " " + r.Text
	}
	if len(packet) > ReplyBytes {
		packet = packet[:ReplyBytes]
		for !utf8.ValidString(packet) && len(packet) > ReplyBytes-utf8.UTFMax {
			packet = packet[:len(packet)-1]
		}
	}
	return []byte(packet)
}

// ParseReply reads a packet of the plugin's. Kinds that this release doesn't know are kept: their meaning is for newer
// programs.
func ParseReply(packet []byte) (Reply, error) {
	kind, text, _ := strings.Cut(string(packet), " ")
	if kind == "" {
		return Reply{}, fmt.Errorf("reply %q has no kind", packet)
	}
	return Reply{Kind: Kind(kind), Text: text}, nil
}

// StartAfter is the reply to Run.
func StartAfter(seconds int) Reply { return Reply{Start, strconv.Itoa(seconds)} }

// Seconds returns the number of a Start.
func (r Reply) Seconds() (int, error) {
	seconds, err := strconv.Atoi(r.Text)
	if r.Kind != Start || err != nil || seconds < 0 {
		return 0, fmt.Errorf("reply %q has no number of seconds", r.Encode())
	}
	return seconds, nil
}
