//go:build linux

package program

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

const (
	// stateTime is how long the plugin may take to say whether the file system was there, once the client has ended.
	stateTime = 5 * time.Second
	// notedTime is how long it may take to note an end; without, the next start may be delayed.
	notedTime = time.Second
)

// supervisor runs a FUSE client, which may go into the background or be started by a script.
type supervisor struct {
	Program
	client *os.Process
	// ended means that the process that was started has ended, with code.
	ended bool
	code  int
	// told means that the container was told to end.
	told bool
	// served means that the file system was there.
	served bool
}

// run is a sidecar's entry point. It returns the container's exit code.
func (p Program) run(o runOptions) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGCHLD)
	if err := p.prepare(o); err != nil {
		p.say("%v", err)
		return p.end(1)
	}
	if told, err := p.delay(signals); err != nil {
		p.say("%v", err)
		return 1
	} else if told {
		return p.end(0)
	}
	path, err := exec.LookPath(o.command[0])
	if err != nil {
		p.say("starting the FUSE client: %v", err)
		return p.end(127)
	}
	process, err := os.StartProcess(path, o.command, &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		p.say("starting the FUSE client: %v", err)
		return p.end(126)
	}
	s := &supervisor{Program: p, client: process}
	return s.supervise(signals, p.watch())
}

// prepare sets the client's environment, and takes the orphans of this container's: a client in the background is one.
func (p Program) prepare(o runOptions) error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if o.masters != "" {
		if err := os.Setenv(javaOptions, completeMasters(os.Getenv(javaOptions), o.masters, o.namespace)); err != nil {
			return err
		}
	}
	return prependPath(p.Broker)
}

// delay says to the plugin that the container has started, waits as long as it says, and reports whether the container was
// told to end meanwhile.
func (p Program) delay(signals <-chan os.Signal) (told bool, err error) {
	type answer struct {
		wire.Reply
		error
	}
	answers := make(chan answer, 1)
	go func() {
		reply, err := ask(p.socket(), wire.Run, time.Now().Add(pluginTime))
		answers <- answer{reply, err}
	}()
	var wait <-chan time.Time
	for {
		select {
		case s := <-signals:
			if s != unix.SIGCHLD {
				return true, nil
			}
		case a := <-answers:
			if a.error != nil {
				return false, a.error
			}
			seconds, err := a.Seconds()
			if err != nil || seconds == 0 {
				return false, err
			}
			p.say("this container was killed before its client had mounted; starting the client in %d seconds", seconds)
			wait = time.After(time.Duration(seconds) * time.Second)
		case <-wait:
			return false, nil
		}
	}
}

// watch returns the states of the file system, from the plugin that is there.
func (p Program) watch() <-chan wire.Kind {
	states := make(chan wire.Kind)
	go func() {
		for {
			c, err := connect(p.socket(), wire.Watch, time.Now().Add(pluginTime))
			if err != nil {
				continue
			}
			for {
				reply, fd, err := c.receive(time.Time{})
				if fd >= 0 {
					unix.Close(fd)
				}
				if err != nil {
					break
				}
				states <- reply.Kind
			}
			c.close()
			time.Sleep(retryInterval)
		}
	}()
	return states
}

// supervise goes on until the container is to end.
func (s *supervisor) supervise(signals <-chan os.Signal, states <-chan wire.Kind) int {
	for {
		select {
		case received := <-signals:
			if received != unix.SIGCHLD {
				s.told = true
				s.pass(received.(unix.Signal))
				break
			}
			s.reap()
			if code, over := s.over(); over {
				return code
			}
		case state := <-states:
			s.served = s.served || state == wire.Served
			if state == wire.Died && !s.told {
				s.say("the FUSE client in the background is gone, and its file system with it")
				s.pass(unix.SIGKILL)
				return volume.ExitRestartAll
			}
		}
	}
}

// reap takes the exit codes of all processes that have ended.
func (s *supervisor) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if pid == s.client.Pid {
			s.ended, s.code = true, status.ExitStatus()
			if status.Signaled() {
				s.code = 128 + int(status.Signal())
			}
		}
	}
}

// over reports whether the container is to end, and with which code.
func (s *supervisor) over() (code int, over bool) {
	if !s.ended {
		return 0, false
	}
	if s.told {
		// Those that a script has left behind are to end too.
		if s.pass(unix.SIGTERM) > 0 {
			return 0, false
		}
		return s.end(0), true
	}
	background := len(children())
	state := s.state()
	switch {
	case state == wire.Served && background > 0:
		return 0, false
	case state == wire.Served, state == wire.Died, s.served:
		s.say("the FUSE client ended with %d, and its file system with it", s.code)
		return volume.ExitRestartAll, true
	case background > 0 && s.code == 0:
		// It's a client that went into the background and hasn't mounted yet.
		return 0, false
	}
	s.say("the FUSE client ended with %d, before it had mounted", s.code)
	return s.end(unmountedCode(s.code)), true
}

// unmountedCode is the container's exit code for that of a client that never mounted: one for which kubelet waits longer
// each time, and that isn't a success.
func unmountedCode(client int) int {
	if client == 0 || slices.Contains(volume.ExitCodesToRestartAll(), int32(client)) {
		return 1
	}
	return client
}

// state asks whether the file system is or was there. If the plugin is away, what it said before counts.
func (s *supervisor) state() wire.Kind {
	reply, err := ask(s.socket(), wire.Watch, time.Now().Add(stateTime))
	if err != nil {
		s.say("asking the node plugin for the state of the mount: %v", err)
		return wire.Waiting
	}
	return reply.Kind
}

// end tells the plugin that the container ends by itself, with a code.
func (p Program) end(code int) int {
	if _, err := ask(p.socket(), wire.Ended, time.Now().Add(notedTime)); err != nil {
		p.say("telling the node plugin of the end: %v", err)
	}
	return code
}

// pass sends a signal to all child processes, and returns their number.
func (s *supervisor) pass(received unix.Signal) int {
	all := children()
	for _, pid := range all {
		// One that has ended meanwhile isn't an error.
		_ = unix.Kill(pid, received)
	}
	return len(all)
}

// children returns this process's child processes: the client, and the orphans of those below it.
func children() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, parent := 0, 0
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil {
			continue
		}
		// The name of the program is in parentheses and may have any character.
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		state := byte(0)
		if _, err := fmt.Sscanf(afterName(string(stat)), "%c %d", &state, &parent); err == nil && parent == os.Getpid() && state != 'Z' {
			pids = append(pids, pid)
		}
	}
	return pids
}

// afterName returns what follows the name in a line of /proc/PID/stat.
func afterName(stat string) string {
	for i := len(stat) - 2; i >= 0; i-- {
		if stat[i] == ')' {
			return stat[i+2:]
		}
	}
	return ""
}
