//go:build linux

package node

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

func TestClientServesAsAnyUserAndIsBackAfterItWasKilled(t *testing.T) {
	for _, uid := range []int{0, 65534, 12345} {
		k := newPlugin(t)
		p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
		p.data("data", "fluid-fuse-0", "")
		if _, err := p.read("data", "file"); !errors.Is(err, unix.ENOTCONN) {
			t.Errorf("before the client: %v", err)
		}
		p.broker("broker", "fluid-fuse-0", "ro")
		first := p.sidecar("broker", uid, "serve", "first")
		p.reads("data", "file", "first")
		first.kill()
		if _, err := p.read("data", "file"); !errors.Is(err, unix.ENOTCONN) {
			t.Errorf("between two clients: %v", err)
		}
		second := p.sidecar("broker", uid, "serve", "second")
		p.reads("data", "file", "second")
		if err := os.WriteFile(p.target("data")+"/new", nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing to a read-only file system: %v", err)
		}
		second.signal(unix.SIGTERM)
		if code := second.exit(); code != 0 {
			t.Errorf("told to end, the sidecar ended with %d", code)
		}
		p.delete()
	}
}

func TestExitCodeSaysWhetherTheFileSystemWasThere(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "")
	for _, test := range []struct {
		client string
		signal unix.Signal
	}{
		{"serve", unix.SIGTERM}, {"serve", unix.SIGKILL}, {"serve", unix.SIGABRT},
		{"background", unix.SIGTERM}, {"background", unix.SIGKILL},
		{"script", unix.SIGTERM}, {"script", unix.SIGKILL},
	} {
		text := test.client + " " + test.signal.String()
		c := p.sidecar("broker", 65534, test.client, text)
		p.reads("data", "file", text)
		if err := unix.Kill(pidOf(t, "serve", text), test.signal); err != nil {
			// The client that isn't in the background.
			t.Fatalf("%s: %v", text, err)
		}
		if code := c.exit(); code != volume.ExitRestartAll {
			t.Errorf("%s, %s: exit code %d", test.client, test.signal, code)
		}
	}
	for client, want := range map[string]int{"0": 1, "3": 3, "137": 1, "139": 1, "213": 1} {
		if code := p.sidecar("broker", 65534, "fail", client).exit(); code != want {
			t.Errorf("a client that ended with %s before it mounted: exit code %d, want %d", client, code, want)
		}
	}
	if code := p.inSidecar("broker", 65534, volume.ProgramPath, volume.CommandRun, "--", "/no/such/program").exit(); code != 127 {
		t.Errorf("no such program: exit code %d", code)
	}
}

func TestToldToEndASidecarEndsWithZeroWhateverRunsInIt(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "")
	for _, client := range []string{"serve", "background", "script"} {
		c := p.sidecar("broker", 65534, client, client)
		p.reads("data", "file", client)
		c.signal(unix.SIGTERM)
		if code := c.exit(); code != 0 {
			t.Errorf("%s: exit code %d", client, code)
		}
	}
}
