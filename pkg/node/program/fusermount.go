//go:build linux

package program

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

// commVariable names the descriptor of the socket on which a FUSE library waits for that of /dev/fuse (libfuse 2 and 3, and
// all that follow their protocol).
const commVariable = "_FUSE_COMMFD"

// fusermount does what a FUSE library wants of fusermount. The mount is the node plugin's business: so the mount point and
// the options of the client are ignored, and unmounting does nothing.
func (p Program) fusermount(arguments []string) int {
	name := filepath.Base(arguments[0])
	f := parseFusermount(arguments[1:])
	switch {
	case f.version:
		fmt.Fprintf(p.Stderr, "%s version: 3.0.0 (kubectl-fluid %s)\n", name, p.Version)
		return 0
	case f.unmount:
		return 0
	}
	socket, err := strconv.Atoi(os.Getenv(commVariable))
	if err != nil {
		p.say("%s: the environment's %s names no descriptor; FUSE libraries set it", name, commVariable)
		return 1
	}
	if err := p.mount(f.options, socket); err != nil {
		p.say("%s: %v", name, err)
		return 1
	}
	return 0
}

// mount asks the plugin for a mount and passes its descriptor on.
func (p Program) mount(options []string, to int) error {
	deadline := time.Now().Add(pluginTime)
	c, err := connect(p.socket(), wire.Mount, deadline)
	if err != nil {
		return err
	}
	defer c.close()
	reply, device, err := c.receive(deadline)
	if err != nil {
		return fmt.Errorf("waiting for a mount by the node plugin: %w", err)
	}
	if reply.Kind != wire.Mounted || device < 0 {
		return fmt.Errorf("the node plugin didn't mount: %s", reply.Text)
	}
	defer unix.Close(device)
	if ignored := ignoredOptions(options, reply.Text); len(ignored) > 0 {
		p.say("mounted with %s; the client's own options are ignored: %s", reply.Text, strings.Join(ignored, ","))
	}
	if err := unix.Sendmsg(to, []byte{0}, unix.UnixRights(device), nil, unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("passing the descriptor of /dev/fuse to the client: %w", err)
	}
	return nil
}

// fusermountArguments are what fusermount is called with, as far as it matters here.
type fusermountArguments struct {
	unmount, version bool
	options          []string
}

func parseFusermount(arguments []string) fusermountArguments {
	var f fusermountArguments
	for i := 0; i < len(arguments); i++ {
		a := arguments[i]
		switch {
		case a == "--":
			return f
		case a == "--version":
			f.version = true
		case a == "-o":
			if i++; i < len(arguments) {
				f.options = append(f.options, strings.Split(arguments[i], ",")...)
			}
		case strings.HasPrefix(a, "-o"):
			f.options = append(f.options, strings.Split(a[2:], ",")...)
		case strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--"):
			f.unmount = f.unmount || strings.Contains(a, "u")
			f.version = f.version || strings.Contains(a, "V")
		}
	}
	return f
}

// ignoredOptions returns those options of a client's that the mount doesn't have, without those that mean nothing to the
// kernel, or nothing here.
func ignoredOptions(asked []string, mounted string) []string {
	has := strings.Split(mounted, ",")
	var ignored []string
	for _, option := range asked {
		name, _, _ := strings.Cut(option, "=")
		switch name {
		case "", "fsname", "subtype", "auto_unmount", "rw", "fd", "rootmode", "user_id", "group_id", "exec":
			continue
		}
		if !slices.Contains(has, option) {
			ignored = append(ignored, option)
		}
	}
	return ignored
}
