//go:build linux

package node

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

// connect connects to a broker, whose path is longer than an address may be.
func (p *pod) connect(broker string) (*net.UnixConn, error) {
	fd, err := unix.Open(p.target(broker), unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	address := &net.UnixAddr{Net: "unixpacket", Name: fmt.Sprintf("/proc/self/fd/%d/%s", fd, volume.Socket)}
	return net.DialUnix("unixpacket", nil, address)
}

func TestAClientThatNeverServesShowsNothingAndGoesWithItsPod(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "")
	p.sidecar("broker", 65534, "never")
	eventually(t, "the state says that the client doesn't answer", func() error {
		if state := stateOf(k, p, "fluid-fuse-0"); !strings.Contains(state.Text, "doesn't answer yet") {
			return errors.New(string(state.Encode()))
		}
		return nil
	})
	if _, err := p.read("data", "file"); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("the app would read: %v", err)
	}
	began := time.Now()
	p.delete()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("deleting took %s", took)
	}
}

func TestAClientThatStopsAnsweringCanBeUnpublishedWhileReadersWait(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "")
	p.sidecar("broker", 65534, "serve", "stops")
	p.reads("data", "file", "stops")
	if err := unix.Kill(pidOf(t, "serve", "stops"), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waited := make(chan error, 1)
	go func() {
		_, err := p.read("data", "file")
		waited <- err
	}()
	select {
	case err := <-waited:
		t.Fatalf("a stopped client answered: %v", err)
	case <-time.After(3 * time.Second):
	}
	p.delete()
	select {
	case err := <-waited:
		if err == nil {
			t.Error("a reader got data after unpublishing")
		}
	case <-time.After(5 * time.Second):
		t.Error("a reader still waits after unpublishing")
	}
}

func TestTheLatestOfTwoClientsIsShownOnceItAnswers(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "")
	p.sidecar("broker", 65534, "serve", "first")
	p.reads("data", "file", "first")
	// Only the stand-in is called: nothing says that the container started anew.
	shell := "PATH=" + volume.MountPath + ":$PATH exec /run/tests"
	never := p.inSidecar("broker", 65534, "/bin/sh", "-c", shell+" never")
	time.Sleep(300 * time.Millisecond)
	if got, err := p.read("data", "file"); got != "first" {
		t.Errorf("with a second client that never serves: %q, %v", got, err)
	}
	never.kill()
	p.inSidecar("broker", 65534, "/bin/sh", "-c", shell+" serve second")
	p.reads("data", "file", "second")
}

func TestGarbageAndFloodsOnTheSocketHarmNobody(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "")
	p.sidecar("broker", 65534, "serve", "text")
	p.reads("data", "file", "text")
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	most := 0
	var all sync.WaitGroup
	stop := time.Now().Add(2 * time.Second)
	var mu sync.Mutex
	for i := range 20 {
		all.Go(func() {
			for time.Now().Before(stop) {
				conn, err := p.connect("broker")
				if err != nil {
					continue
				}
				// The broker may close the connection before it has read anything.
				switch i % 4 {
				case 0:
					_, _ = conn.Write(bytes.Repeat([]byte("x"), 100_000))
				case 1:
					// Descriptors that nobody asked for.
					_, _, _ = conn.WriteMsgUnix([]byte("mount please"), unix.UnixRights(0, 1, 2), nil)
				case 2:
					time.Sleep(50 * time.Millisecond)
				case 3:
					_, _ = conn.Write([]byte{})
				}
				mu.Lock()
				most = max(most, runtime.NumGoroutine()-20)
				mu.Unlock()
				conn.Close()
			}
		})
	}
	all.Wait()
	if most > goroutines+maximumConnections+5 {
		t.Errorf("%d goroutines, before %d", most, goroutines)
	}
	eventually(t, "the connections are gone", func() error {
		if g, d := runtime.NumGoroutine(), openDescriptors(t); g > goroutines || d > descriptors {
			return fmt.Errorf("%d goroutines and %d descriptors, before %d and %d", g, d, goroutines, descriptors)
		}
		return nil
	})
	if got, err := p.read("data", "file"); got != "text" {
		t.Errorf("after the flood: %q, %v", got, err)
	}
}

func TestManyMountsLeaveOneAtMost(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "")
	var held []*net.UnixConn
	for range 30 {
		conn, err := p.connect("broker")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = conn.Write([]byte(wire.Mount)); err != nil {
			t.Fatal(err)
		}
		packet, rights := make([]byte, wire.ReplyBytes), make([]byte, unix.CmsgSpace(4))
		if err = conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, m, _, _, err := conn.ReadMsgUnix(packet, rights)
		if err != nil || !bytes.HasPrefix(packet[:n], []byte(wire.Mounted)) {
			t.Fatalf("%q, %v", packet[:n], err)
		}
		messages, _ := unix.ParseSocketControlMessage(rights[:m])
		fds, _ := unix.ParseUnixRights(&messages[0])
		// Held as a client that never serves.
		t.Cleanup(func() { unix.Close(fds[0]) })
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Close()
	}
	eventually(t, "one hidden mount is left", func() error {
		table, err := readMountTable()
		if err != nil {
			return err
		}
		hidden := 0
		for at := range table {
			if strings.HasPrefix(at, "/mnt/hidden/") {
				hidden++
			}
		}
		if hidden != 1 {
			return fmt.Errorf("%d are", hidden)
		}
		return nil
	})
	p.delete()
	// The descriptors belong to this process, so the plugin's own are counted without them: the test's end does.
	runtime.GC()
}

func TestAWatcherThatTakesNothingIsLetGo(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "")
	for range maximumConnections {
		conn, err := p.connect("broker")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err = conn.Write([]byte(wire.Watch)); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond)
	conn, err := p.connect("broker")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The broker may have closed it already.
	_, _ = conn.Write([]byte(wire.Watch))
	if err = conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 100)); n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("one connection more than allowed got an answer: %d bytes, %v", n, err)
	}
}

func TestABrokerThatThePodHasSpoiledCanBeTakenOverAndUnpublished(t *testing.T) {
	needProgram(t)
	for name, spoil := range map[string]func(directory string) error{
		"the socket is a link": func(d string) error {
			return errorsJoin(os.Remove(d+"/socket"), os.Symlink("/run/tests", d+"/socket"))
		},
		"the socket is a directory": func(d string) error {
			return errorsJoin(os.Remove(d+"/socket"), os.MkdirAll(d+"/socket/x", 0o755))
		},
		"the device is a link": func(d string) error {
			return errorsJoin(os.Remove(d+"/dev-fuse"), os.Symlink("/run/tests", d+"/dev-fuse"))
		},
		"the program is a link": func(d string) error {
			return errorsJoin(unix.Unmount(d+"/fluid-fuse", unix.MNT_DETACH), os.Remove(d+"/fluid-fuse"), os.Symlink("/run/tests", d+"/fluid-fuse"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := os.Stat("/run/tests")
			if err != nil {
				t.Fatal(err)
			}
			k := newPlugin(t)
			p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
			p.broker("broker", "fluid-fuse-0", "")
			if err = k.Plugin.Close(); err != nil {
				t.Fatal(err)
			}
			if err = spoil(p.target("broker")); err != nil {
				t.Fatal(err)
			}
			again, err := New(testConfig(&log{}))
			if err != nil {
				t.Fatalf("a pod keeps the plugin from starting: %v", err)
			}
			defer again.Close()
			after, err := os.Stat("/run/tests")
			if err != nil || after.Mode() != before.Mode() || after.ModTime() != before.ModTime() {
				t.Errorf("the file that a link leads to changed: %v, before %v; %v", after, before, err)
			}
		})
	}
}
