package cluster

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// traces is what a running cluster has put on the machine outside its state
// directory, noted while it runs so that it can be looked for afterwards.
type traces struct {
	dir     string
	network *podNetwork
	sockets []string // of shims
	// mountRoot is outside the state directory, or empty.
	mountRoot string
}

func noteTraces(t *testing.T, stateDir string) traces {
	t.Helper()
	dir, err := realDir(stateDir)
	if err != nil {
		t.Fatal(err)
	}
	j, err := readJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	tr := traces{dir: dir, network: j.get().Network, mountRoot: j.get().MountRoot}
	files, _ := filepath.Glob(filepath.Join(dir, "node/run/io.containerd.runtime.v2.task/*/*/address"))
	for _, file := range files {
		if address, err := os.ReadFile(file); err == nil {
			tr.sockets = append(tr.sockets, strings.TrimPrefix(string(address), "unix://"))
		}
	}
	return tr
}

// assertGone fails the test for everything of the cluster that is still there.
func (tr traces) assertGone(t *testing.T) {
	t.Helper()
	for _, p := range processesMentioning(t, tr.dir) {
		t.Errorf("left behind: the process %s", p)
	}
	mounts, err := mountsBelow(tr.dir)
	if err != nil {
		t.Error(err)
	}
	for _, m := range mounts {
		t.Errorf("left behind: the mount %s", m)
	}
	if tr.mountRoot != "" {
		if _, err = os.Stat(tr.mountRoot); err == nil {
			t.Errorf("left behind: the mount root %s", tr.mountRoot)
		}
	}
	for _, socket := range tr.sockets {
		if _, err = os.Stat(socket); err == nil {
			t.Errorf("left behind: the socket %s", socket)
		}
	}
	entries, err := os.ReadDir(tr.dir)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		if e.Name() != "logs" && e.Name() != "lock" {
			t.Errorf("left behind: %s in the state directory", e.Name())
		}
	}
	if tr.network != nil {
		tr.assertNetworkGone(t)
	}
}

func (tr traces) assertNetworkGone(t *testing.T) {
	t.Helper()
	prefix := strings.TrimSuffix(tr.network.Subnet, "0/24")
	// The kernel takes interfaces down some time after their namespace.
	for range 50 {
		if !strings.Contains(machineState(t, "ip", "address"), prefix) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, args := range [][]string{
		{"ip", "address"}, {"ip", "route", "show", "table", "all"},
		{"iptables", "-S"}, {"iptables", "-t", "nat", "-S"},
	} {
		for line := range strings.Lines(machineState(t, args...)) {
			if strings.Contains(line, prefix) || strings.Contains(line, tr.network.DNS+"/") {
				t.Errorf("left behind: %q of %q", strings.TrimSpace(line), args)
			}
		}
	}
	for _, pattern := range []string{
		"/sys/fs/cgroup/" + tr.network.name(), "/sys/fs/cgroup/*/" + tr.network.name(),
		"/var/lib/cni/results/" + tr.network.name() + "-*",
	} {
		left, _ := filepath.Glob(pattern)
		for _, path := range left {
			t.Errorf("left behind: %s", path)
		}
	}
}

// machineState returns the output of a command, or nothing where it doesn't
// work, as iptables on a kernel without it.
func machineState(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(context.Background(), "", args[0], args[1:]...)
	if err != nil {
		t.Logf("not checked: %v", err)
	}
	return out
}

// processesMentioning returns the processes other than this one whose command
// line, environment or working directory names dir.
func processesMentioning(t *testing.T, dir string) []string {
	t.Helper()
	if out, err := exec.Command("ps", "axww", "-o", "pid=,command=").Output(); err != nil {
		t.Logf("processes not listed with ps: %v", err)
	} else if _, err := os.Stat("/proc/self/environ"); err != nil {
		return linesContaining(string(out), dir)
	}
	var found []string
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		pid, _ := strconv.Atoi(filepath.Base(proc))
		if _, err := processStart(pid); err != nil || pid == os.Getpid() {
			continue
		}
		cmdline, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(proc, "environ"))
		cwd, _ := os.Readlink(filepath.Join(proc, "cwd"))
		if bytes.Contains(cmdline, []byte(dir)) || bytes.Contains(environ, []byte(dir)) || strings.HasPrefix(cwd, dir) {
			found = append(found, strconv.Itoa(pid)+": "+string(bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
		}
	}
	return found
}

func linesContaining(text, part string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) && !strings.HasPrefix(strings.TrimSpace(line), strconv.Itoa(os.Getpid())+" ") {
			found = append(found, line)
		}
	}
	return found
}
