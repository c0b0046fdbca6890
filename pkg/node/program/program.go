//go:build linux

package program

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// Program is the delivered program in its sidecar.
type Program struct {
	// Broker is the directory of the broker's volume.
	Broker string
	// TerminationLog is the file of the container's termination message.
	TerminationLog string
	Stderr         io.Writer
	// Version is printed for --version.
	Version string
}

// pluginTime is how long the plugin may be away: as long as it takes to replace it.
const pluginTime = time.Minute

func (p Program) socket() string { return filepath.Join(p.Broker, volume.Socket) }

func (p Program) say(format string, arguments ...any) {
	fmt.Fprintf(p.Stderr, volume.Program+": "+format+"\n", arguments...)
}

// usage is for those who look at what runs in a pod.
const usage = `%[1]s is delivered into FUSE sidecars by kubectl-fluid's node plugin.

  %[1]s run [--masters PREFIX --namespace NAMESPACE] -- COMMAND [ARGUMENT…]
      runs a FUSE client; ends with %[2]d when its file system was there and the client ended by itself
  %[1]s wait --timeout DURATION
      waits until the pod's volumes have the client's file system
Called fusermount or fusermount3, it gives a FUSE client its mount.
`

// Main runs the program with its arguments, of which the first is its name, and returns the exit code.
func (p Program) Main(arguments []string) int {
	if len(arguments) == 0 {
		return 2
	}
	switch filepath.Base(arguments[0]) {
	case volume.Fusermount, volume.Fusermount3:
		return p.fusermount(arguments)
	}
	rest := arguments[1:]
	if len(rest) == 0 {
		fmt.Fprintf(p.Stderr, usage, volume.Program, volume.ExitRestartAll)
		return 2
	}
	switch rest[0] {
	case volume.CommandRun:
		o, err := parseRun(rest[1:])
		if err != nil {
			p.say("%s: %v", volume.CommandRun, err)
			return 2
		}
		return p.run(o)
	case volume.CommandWait:
		timeout, err := parseWait(rest[1:])
		if err != nil {
			p.say("%s: %v", volume.CommandWait, err)
			return 2
		}
		return p.wait(timeout)
	case "--version":
		fmt.Fprintln(p.Stderr, volume.Program, p.Version)
		return 0
	}
	fmt.Fprintf(p.Stderr, usage, volume.Program, volume.ExitRestartAll)
	return 2
}

// parseWait reads the arguments of volume.CommandWait.
func parseWait(arguments []string) (time.Duration, error) {
	if len(arguments) != 2 || arguments[0] != volume.FlagTimeout {
		return 0, fmt.Errorf("the arguments %q aren't %s DURATION", arguments, volume.FlagTimeout)
	}
	timeout, err := time.ParseDuration(arguments[1])
	if err != nil || timeout <= 0 {
		return 0, fmt.Errorf("%s %q isn't a time", volume.FlagTimeout, arguments[1])
	}
	return timeout, nil
}

// runOptions are the arguments of volume.CommandRun.
type runOptions struct {
	masters, namespace string
	command            []string
}

func parseRun(arguments []string) (runOptions, error) {
	var o runOptions
	for len(arguments) > 0 {
		switch arguments[0] {
		case "--":
			o.command = arguments[1:]
			if len(o.command) == 0 {
				return o, fmt.Errorf("there is no command after --")
			}
			if (o.masters == "") != (o.namespace == "") {
				return o, fmt.Errorf("%s and %s belong together", volume.FlagMasters, volume.FlagNamespace)
			}
			return o, nil
		case volume.FlagMasters, volume.FlagNamespace:
			if len(arguments) < 2 {
				return o, fmt.Errorf("%s has no value", arguments[0])
			}
			if arguments[0] == volume.FlagMasters {
				o.masters = arguments[1]
			} else {
				o.namespace = arguments[1]
			}
			arguments = arguments[2:]
		default:
			return o, fmt.Errorf("argument %q isn't known; the client's command comes after --", arguments[0])
		}
	}
	return o, fmt.Errorf("there is no -- with the client's command after it")
}
