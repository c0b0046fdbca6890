//go:build linux

package program

import (
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

// wait ends with 0 once the pod's volumes have the client's file system. Kubelet drops what a hook prints and shows no log
// while it runs (Kubernetes 1.37); so what is missing also goes into the termination message.
func (p Program) wait(timeout time.Duration) int {
	deadline := time.Now().Add(timeout)
	missing := ""
	for time.Now().Before(deadline) {
		served, cause := p.follow(deadline)
		if served {
			return 0
		}
		missing = cause
		time.Sleep(retryInterval)
	}
	message := fmt.Sprintf("%s (waited %s)", missing, timeout)
	p.say("%s", message)
	if err := os.WriteFile(p.TerminationLog, []byte(cut(message, volume.TerminationMessageBytes)), 0o666); err != nil {
		p.say("writing the termination message: %v", err)
	}
	return 1
}

// follow watches the state until it's served, the deadline, or the plugin is gone, and returns the last cause.
func (p Program) follow(deadline time.Time) (served bool, cause string) {
	c, err := connect(p.socket(), wire.Watch, deadline)
	if err != nil {
		return false, err.Error()
	}
	defer c.close()
	cause = "the node plugin didn't say what is missing"
	for {
		reply, fd, err := c.receive(deadline)
		if fd >= 0 {
			unix.Close(fd)
		}
		switch {
		case err != nil:
			return false, cause
		case reply.Kind == wire.Served:
			return true, ""
		case reply.Kind == wire.Died:
			cause = "the FUSE client that was there is gone, and a new one hasn't asked for its mount yet"
		case reply.Text != "":
			cause = reply.Text
		}
	}
}

// cut shortens a text to a number of bytes, at a character.
func cut(text string, bytes int) string {
	if len(text) <= bytes {
		return text
	}
	text = text[:bytes]
	for !utf8.ValidString(text) && len(text) > bytes-utf8.UTFMax {
		text = text[:len(text)-1]
	}
	return strings.TrimSpace(text)
}
