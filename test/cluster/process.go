package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processRecord identifies a process that this library started.
type processRecord struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`
	// Started is when the process started, in a form that only serves for
	// comparing: a process with the same PID and another start is not ours.
	Started string `json:"started"`
	Log     string `json:"log"`
}

// marker is the environment variable that every process of a cluster carries,
// with the state directory as its value. It finds processes that were started
// in the instant before this process was killed, and the children of ours that
// outlive them (containerd's shims).
const marker = "KUBECTL_FLUID_CLUSTER"

// startProcess starts a program of the cluster in a session of its own, so that
// it outlives this process and gets no Ctrl-C of its terminal, and records it.
func (c *Cluster) startProcess(name string, args ...string) (*process, error) {
	log := filepath.Join(c.dir, "logs", name+".log")
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start %s: open its log: %w", name, err)
	}
	defer f.Close()
	path, err := c.program(name)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = c.dir
	// A small environment: a proxy setting of the caller's would otherwise
	// come between the API server and webhooks in pods.
	cmd.Env = []string{"PATH=" + systemPath(), "HOME=" + c.dir, marker + "=" + c.dir}
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	fmt.Fprintf(f, "+ %s\n", strings.Join(cmd.Args, " "))
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{record: processRecord{Name: name, PID: cmd.Process.Pid, Log: log}, args: args, exited: make(chan struct{})}
	started, identErr := processStart(p.record.PID)
	p.record.Started = started
	go func() {
		p.err = cmd.Wait()
		close(p.exited)
	}()
	if identErr != nil {
		_ = cmd.Process.Kill() // Without its start it can't be recorded.
		return p, p.failure("ended at once")
	}
	return p, c.journal.update(func(r *record) { r.Processes = append(r.Processes, p.record) })
}

// program returns the path of one of the cluster's own programs, or of one that
// a package of the machine provides.
func (c *Cluster) program(name string) (string, error) {
	if path := filepath.Join(c.BinDir(), name); isExecutable(path) {
		return path, nil
	}
	return lookPath(name)
}

// lookPath is exec.LookPath that also knows the directories of system programs,
// which the PATH of a user often lacks.
func lookPath(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for _, dir := range filepath.SplitList(systemPath()) {
		if path := filepath.Join(dir, name); filepath.IsAbs(path) && isExecutable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("program %q is in none of the directories of PATH (%s)", name, systemPath())
}

func systemPath() string {
	return os.Getenv("PATH") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
}

// process is a running program that this process started.
type process struct {
	record processRecord
	args   []string
	exited chan struct{} // closed when the program has ended
	err    error         // how it ended; valid once exited is closed
}

// ended returns an error if the program has ended.
func (p *process) ended() error {
	select {
	case <-p.exited:
		return p.failure("ended early")
	default:
		return nil
	}
}

func (p *process) failure(what string) error {
	<-p.exited
	status := "exit status 0"
	if p.err != nil {
		status = p.err.Error()
	}
	return fmt.Errorf("%s %s (%s); %s", p.record.Name, what, status, quoteLog(p.record.Log))
}

// quoteLog names a log file and quotes its end.
func quoteLog(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("its log can't be read: %v", err)
	}
	return fmt.Sprintf("its log %s ends with:\n%s", path, lastLines(string(data), 10))
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return "\t" + strings.Join(lines[max(0, len(lines)-n):], "\n\t")
}

// waitFor calls ready until it returns nil. It fails when ctx or the timeout
// ends, and at once when one of the processes does. On the timeout, the log of
// the last of processes is quoted.
func waitFor(ctx context.Context, what string, timeout time.Duration, processes []*process, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		for _, p := range processes {
			if endErr := p.ended(); endErr != nil {
				return fmt.Errorf("wait for %s: %w", what, endErr)
			}
		}
		if sleep(ctx, 50*time.Millisecond) == nil {
			continue
		}
		if !errors.Is(context.Cause(ctx), errTimeout) {
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		}
		if len(processes) == 0 {
			return fmt.Errorf("wait for %s: not there after %s: %w", what, timeout, err)
		}
		last := processes[len(processes)-1].record
		return fmt.Errorf("wait for %s: not there after %s: %w; %s: %s", what, timeout, err, last.Name, quoteLog(last.Log))
	}
}

var errTimeout = errors.New("timeout")

// alive reports whether the process still runs.
func (r processRecord) alive() bool {
	started, err := processStart(r.PID)
	return err == nil && started == r.Started
}

// stop ends a process, with SIGTERM and then SIGKILL, and waits until it is gone.
func (r processRecord) stop(ctx context.Context, grace time.Duration) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, 10 * time.Second}} {
		deadline := time.Now().Add(step.wait)
		for sent := false; r.alive(); sent = true {
			if !sent {
				if err := syscall.Kill(r.PID, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
					return fmt.Errorf("stop %s (process %d): %w", r.Name, r.PID, err)
				}
			}
			if time.Now().After(deadline) {
				break
			}
			if err := sleep(ctx, 10*time.Millisecond); err != nil {
				return fmt.Errorf("stop %s (process %d): %w", r.Name, r.PID, err)
			}
		}
		if !r.alive() {
			return nil
		}
	}
	return fmt.Errorf("stop %s (process %d): it still runs after SIGKILL", r.Name, r.PID)
}

// processStart returns when a process started. A process that has ended, also
// one that its parent hasn't waited for yet, is an error.
func processStart(pid int) (string, error) {
	if runtime.GOOS != "linux" {
		out, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
		state, started, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		if err != nil || strings.HasPrefix(state, "Z") {
			return "", os.ErrProcessDone
		}
		return strings.TrimSpace(started), nil
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", os.ErrProcessDone
	}
	// The second field, the name, may hold spaces and parentheses: the rest
	// starts after the last parenthesis, with the state (field 3).
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", os.ErrProcessDone
	}
	return fields[19], nil
}

// markedProcesses returns the processes that carry the marker of a state
// directory. Where there is no /proc, there are none.
func markedProcesses(stateDir string) []processRecord {
	var found []processRecord
	want := []byte(marker + "=" + stateDir)
	paths, _ := filepath.Glob("/proc/[0-9]*/environ") // The pattern is well-formed.
	for _, path := range paths {
		env, err := os.ReadFile(path)
		if err != nil {
			continue // It ended meanwhile, or is another user's.
		}
		for variable := range bytes.SplitSeq(env, []byte{0}) {
			if !bytes.Equal(variable, want) {
				continue
			}
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				break
			}
			if started, err := processStart(pid); err == nil {
				found = append(found, processRecord{Name: "process", PID: pid, Started: started})
			}
			break
		}
	}
	return found
}
