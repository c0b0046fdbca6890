//go:build linux

package node

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// startPlugin starts the plugin as a process in a mount namespace of its own, as in its container.
func startPlugin(t *testing.T) *container {
	t.Helper()
	needProgram(t)
	c := play(rolePlugin)
	c.SysProcAttr.Cloneflags = unix.CLONE_NEWNS
	return start(t, c)
}

func TestReadersNeverNoticeThatThePluginIsKilledOrReplaced(t *testing.T) {
	plugin := startPlugin(t)
	k := dial(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "ro")
	p.data("data", "fluid-fuse-0", "sub")
	c := p.sidecar("broker", 65534, "serve", "text")
	p.reads("data", "file", "text")
	reader := play(roleApp, p.target("data"), "file")
	reader.SysProcAttr.Cloneflags = unix.CLONE_NEWNS
	app := start(t, reader)
	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGTERM} {
		plugin.signal(signal)
		plugin.exit()
		time.Sleep(200 * time.Millisecond)
		plugin = startPlugin(t)
		eventually(t, "the plugin has taken over", func() error {
			if !strings.Contains(plugin.said.String(), "role=broker volumes=1") {
				return errors.New(plugin.said.String())
			}
			return nil
		})
	}
	if len(app.done) > 0 || strings.Count(app.said.String(), "text") < 100 {
		t.Errorf("the app read with an error, or hardly: %.1000s", app.said)
	}
	app.kill()

	// A client that is killed at once after the plugin has its successor's data shown.
	plugin.kill()
	if err := unix.Kill(pidOf(t, "serve", "text"), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	plugin = startPlugin(t)
	if code := c.exit(); code != volume.ExitRestartAll {
		t.Errorf("the sidecar of a client killed without a plugin: exit code %d", code)
	}
	p.sidecar("broker", 65534, "serve", "next")
	p.reads("data", "file", "next")
	p.delete()
	plugin.signal(unix.SIGTERM)
	plugin.exit()
	nothingLeft(t)
}

func TestAPluginThatIsKilledBeforeTheClientAnsweredLeavesAClientThatEnds(t *testing.T) {
	plugin := startPlugin(t)
	k := dial(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "missing")
	c := p.sidecar("broker", 65534, "serve", "text")
	eventually(t, "the client has its mount", func() error {
		if !strings.Contains(plugin.said.String(), "has no") {
			return errors.New(plugin.said.String())
		}
		return nil
	})
	plugin.kill()
	plugin = startPlugin(t)
	if code := c.exit(); code == 0 || code == volume.ExitRestartAll {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(p.target("data")); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("the target: %v", err)
	}
	p.delete()
	plugin.kill()
	nothingLeft(t)
}

func TestPublishingAgainChangesNothing(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	attributes := func(name string) map[string]string {
		if name == "broker" {
			return map[string]string{"role": "broker", "client": "fluid-fuse-0", "options": "ro,max_read=131072"}
		}
		return map[string]string{"role": "data", "client": "fluid-fuse-0", "subPath": "sub"}
	}
	p.publish("broker", attributes("broker"))
	p.publish("data", attributes("data"))
	again := func() {
		t.Helper()
		for _, name := range []string{"data", "broker"} {
			if err := p.try(name, false, attributes(name)); err != nil {
				t.Errorf("publishing %s again: %v", name, err)
			}
		}
	}
	mounts := func() string {
		table, err := readMountTable()
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(len(table[p.target("broker")]), len(table[p.target("data")]), len(table[p.target("broker")+"/fluid-fuse"]))
	}
	again()
	if got := mounts(); got != "1 1 1" {
		t.Errorf("mounts before the client: %s", got)
	}
	c := p.sidecar("broker", 65534, "serve", "text")
	p.reads("data", "file", "text")
	again()
	if got := mounts(); got != "1 2 1" {
		t.Errorf("mounts with the client: %s", got)
	}
	p.reads("data", "file", "text")
	c.kill()
	again()
	if got := mounts(); got != "1 2 1" {
		t.Errorf("mounts after the client: %s", got)
	}
	if _, err := p.read("data", "file"); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("after the client: %v", err)
	}
}

func TestVolumesOfAPodThatNobodyInjectedDoNoHarm(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.data("data", "nobody", "")
	if _, err := os.ReadDir(p.target("data")); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("a volume without a client: %v", err)
	}
	p.broker("broker", "alone", "")
	if code := p.sidecar("broker", 65534, "serve", "text").exit(); code == 0 || code == volume.ExitRestartAll {
		t.Errorf("a client without data volumes: exit code %d", code)
	}
	if err := p.try("second", false, map[string]string{"role": "broker", "client": "alone"}); err == nil {
		t.Error("two brokers for one client")
	}
	for i := range maximumVolumes - 2 {
		p.data(fmt.Sprintf("more-%d", i), "nobody", "")
	}
	if err := p.try("too-many", false, map[string]string{"role": "data", "client": "nobody"}); err == nil {
		t.Error("more volumes than allowed")
	}
	if err := os.RemoveAll(p.target("too-many") + "/.."); err != nil {
		t.Error(err)
	}
}

func TestTwoClientsOfAPodHaveTheirOwnVolumes(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	other := newPod(t, k, "22222222-2222-3333-4444-555555555555")
	p.broker("broker-0", "fluid-fuse-0", "")
	p.broker("broker-1", "fluid-fuse-1", "")
	p.data("data-0", "fluid-fuse-0", "")
	p.data("data-1", "fluid-fuse-1", "")
	other.broker("broker-0", "fluid-fuse-0", "")
	other.data("data-0", "fluid-fuse-0", "")
	p.sidecar("broker-0", 65534, "serve", "zero")
	p.sidecar("broker-1", 65534, "serve", "one")
	other.sidecar("broker-0", 65534, "serve", "other")
	p.reads("data-0", "file", "zero")
	p.reads("data-1", "file", "one")
	other.reads("data-0", "file", "other")
	p.delete()
	other.reads("data-0", "file", "other")
}
