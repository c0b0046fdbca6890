//go:build linux

package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

var buildOnce = sync.OnceValues(func() (string, error) {
	file := filepath.Join(os.TempDir(), fmt.Sprintf("fluid-fuse-%d", os.Getpid()))
	c := exec.Command("go", "build", "-o", file, "../../cmd/fluid-fuse")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, output)
	}
	contents, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	// In the tests' own memory, so that nothing stays.
	err = os.WriteFile("/run/program", contents, 0o755)
	return "/run/program", errorsJoin(err, os.Remove(file))
})

func errorsJoin(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// needProgram builds the delivered program.
func needProgram(t *testing.T) {
	t.Helper()
	needRoot(t)
	program, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NODE_TEST_PROGRAM", program)
}

// log is what a process has said, safe to read while it goes on.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newPlugin starts a plugin in this process, and sees to it that the test leaves nothing.
func newPlugin(t *testing.T) *Node {
	t.Helper()
	needProgram(t)
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors(t)
	said := &log{}
	p, err := New(testConfig(said))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		eventually(t, "no goroutine and no descriptor more than before", func() error {
			if g, d := runtime.NumGoroutine(), openDescriptors(t); g > goroutines || d > descriptors {
				return fmt.Errorf("goroutines %d, before %d; descriptors %d, before %d", g, goroutines, d, descriptors)
			}
			return nil
		})
		nothingLeft(t)
		if t.Failed() {
			t.Logf("the plugin said:\n%s", said)
		}
	})
	return &Node{Plugin: p}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// nothingLeft checks that no mount of the plugin's and no directory of a pod's volume is left.
func nothingLeft(t *testing.T) {
	t.Helper()
	table, err := readMountTable()
	if err != nil {
		t.Fatal(err)
	}
	for at := range table {
		if strings.HasPrefix(at, "/mnt/kubelet/") || strings.HasPrefix(at, "/mnt/hidden") {
			t.Errorf("a mount is left at %s", at)
		}
	}
	left, err := filepath.Glob("/mnt/kubelet/pods/*/volumes/kubernetes.io~csi/*/*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	os.RemoveAll("/mnt/kubelet/pods")
}

// patience is how long a test waits for what it expects, on a machine with much else to do.
const patience = 20 * time.Second

// eventually waits until there is no error.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// kubelet publishes volumes as kubelet does.
type kubelet interface {
	NodePublishVolume(context.Context, *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error)
	NodeUnpublishVolume(context.Context, *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error)
}

// overSocket is a kubelet that calls a plugin in another process.
type overSocket struct{ csi.NodeClient }

func (k overSocket) NodePublishVolume(ctx context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	return k.NodeClient.NodePublishVolume(ctx, r, grpc.WaitForReady(true))
}

func (k overSocket) NodeUnpublishVolume(ctx context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	return k.NodeClient.NodeUnpublishVolume(ctx, r, grpc.WaitForReady(true))
}

// dial returns the kubelet of a plugin in another process.
func dial(t *testing.T) kubelet {
	t.Helper()
	conn, err := grpc.NewClient("unix:///mnt/kubelet/plugins/"+volume.Driver+"/csi.sock", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return overSocket{csi.NewNodeClient(conn)}
}

// pod is a pod with volumes.
type pod struct {
	t   *testing.T
	k   kubelet
	uid string
	// published are the volumes' names.
	published []string
}

func newPod(t *testing.T, k kubelet, uid string) *pod {
	t.Helper()
	p := &pod{t: t, k: k, uid: uid}
	t.Cleanup(p.delete)
	return p
}

func (p *pod) target(name string) string {
	return filepath.Join("/mnt/kubelet/pods", p.uid, "volumes/kubernetes.io~csi", name, "mount")
}

func (p *pod) request(name string, attributes map[string]string) *csi.NodePublishVolumeRequest {
	context := map[string]string{keyEphemeral: "true", keyPodUID: p.uid, kubeletPrefix + "pod.name": "p", kubeletPrefix + "pod.namespace": "ns"}
	for k, v := range attributes {
		context[k] = v
	}
	return &csi.NodePublishVolumeRequest{
		VolumeId: "csi-" + name, TargetPath: p.target(name), VolumeContext: context,
		VolumeCapability: &csi.VolumeCapability{AccessType: &csi.VolumeCapability_Mount{Mount: &csi.VolumeCapability_MountVolume{}}},
	}
}

// try publishes a volume with attributes.
func (p *pod) try(name string, readOnly bool, attributes map[string]string) error {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.target(name)), 0o755); err != nil {
		p.t.Fatal(err)
	}
	r := p.request(name, attributes)
	r.Readonly = readOnly
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := p.k.NodePublishVolume(ctx, r)
	return err
}

func (p *pod) publish(name string, attributes map[string]string) {
	p.t.Helper()
	if err := p.try(name, false, attributes); err != nil {
		p.t.Fatalf("publishing %s: %v", name, err)
	}
	p.published = append(p.published, name)
}

func (p *pod) broker(name, client, options string) {
	p.t.Helper()
	p.publish(name, map[string]string{volume.AttributeRole: volume.RoleBroker, volume.AttributeClient: client, volume.AttributeOptions: options})
}

func (p *pod) data(name, client, subPath string) {
	p.t.Helper()
	p.publish(name, map[string]string{volume.AttributeRole: volume.RoleData, volume.AttributeClient: client, volume.AttributeSubPath: subPath})
}

// delete unpublishes all volumes, twice each.
func (p *pod) delete() {
	for _, name := range append(p.published, p.published...) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if _, err := p.k.NodeUnpublishVolume(ctx, &csi.NodeUnpublishVolumeRequest{VolumeId: "csi-" + name, TargetPath: p.target(name)}); err != nil {
			p.t.Errorf("unpublishing %s: %v", name, err)
		}
	}
	p.published = nil
}

// container is a sidecar, or an app.
type container struct {
	t    *testing.T
	cmd  *exec.Cmd
	said *log
	done chan error
}

// start runs a container. It's killed at the end of the test.
func start(t *testing.T, c *exec.Cmd) *container {
	t.Helper()
	out := &container{t: t, cmd: c, said: &log{}, done: make(chan error, 1)}
	c.Stdout, c.Stderr = out.said, out.said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { out.done <- c.Wait() }()
	t.Cleanup(func() {
		out.kill()
		if t.Failed() {
			t.Logf("%v said:\n%.4000s", c.Args, out.said)
		}
	})
	return out
}

// kill kills a container's first process, and by that all, and waits for the end.
func (c *container) kill() {
	// It may have ended before.
	_ = c.cmd.Process.Kill()
	c.exit()
}

// signal sends a signal to a container's first process, which must still run.
func (c *container) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Errorf("sending %v to %v: %v", s, c.cmd.Args, err)
	}
}

// exit waits for the end and returns the exit code.
func (c *container) exit() int {
	select {
	case err := <-c.done:
		c.done <- err
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		c.t.Errorf("%v goes on and on", c.cmd.Args)
		return -1
	}
}

// sidecar starts a sidecar that runs a client with the delivered program.
func (p *pod) sidecar(broker string, uid int, client ...string) *container {
	p.t.Helper()
	return p.inSidecar(broker, uid, append([]string{volume.ProgramPath, volume.CommandRun, "--", "/run/tests"}, client...)...)
}

// inSidecar starts a container with a broker.
func (p *pod) inSidecar(broker string, uid int, command ...string) *container {
	p.t.Helper()
	c := play(roleSidecar, append([]string{fmt.Sprint(uid), p.target(broker)}, command...)...)
	c.SysProcAttr.Cloneflags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	return start(p.t, c)
}

// read reads a file in a data volume.
func (p *pod) read(name, file string) (string, error) {
	contents, err := os.ReadFile(filepath.Join(p.target(name), file))
	return string(contents), err
}

// reads waits until a file has a text.
func (p *pod) reads(name, file, text string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s in volume %s has %q", file, name, text), func() error {
		got, err := p.read(name, file)
		if err == nil && got != text {
			err = fmt.Errorf("it has %q", got)
		}
		return err
	})
}

// copySelf puts this executable where any user can run it.
func copySelf() error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile("/run/tests", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errorsJoin(err, to.Close())
}
