//go:build linux

package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/wire"
)

func TestSubPathsAreDirectoriesFilesAndLinksWithinTheFileSystem(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	for name, subPath := range map[string]string{
		"all": "", "sub": "sub", "deep": "sub/deep", "inside": "inside", "up": "up/deep", "file": "sub/file",
	} {
		p.data(name, "fluid-fuse-0", subPath)
	}
	for _, text := range []string{"first", "second"} {
		c := p.sidecar("broker", 65534, "serve", text)
		for _, name := range []string{"all", "sub", "deep", "inside", "up"} {
			p.reads(name, "file", text)
		}
		p.reads("file", "", text)
		if _, err := p.read("deep", "../file"); err == nil {
			t.Error("above a sub-path there is a file")
		}
		c.kill()
		for _, name := range []string{"all", "sub", "file"} {
			if _, err := os.Stat(p.target(name)); !errors.Is(err, unix.ENOTCONN) {
				t.Errorf("%s between two clients: %v", name, err)
			}
		}
	}
}

func TestASubPathThatLeadsOutIsNeverShown(t *testing.T) {
	k := newPlugin(t)
	for name, subPath := range map[string]string{
		"out": "out", "absolute": "absolute", "magic": "magic", "loop": "loop", "farther": "farther",
		"below-out": "out/kubelet", "below-magic": "magic/etc", "missing": "no/such/path",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
			p.broker("broker", "fluid-fuse-0", "")
			p.data("data", "fluid-fuse-0", subPath)
			c := p.sidecar("broker", 65534, "serve", "text")
			var state wire.Reply
			eventually(t, "the state says why", func() error {
				state = stateOf(k, p, "fluid-fuse-0")
				if state.Kind != wire.Waiting || !strings.Contains(state.Text, subPath) {
					return errors.New(string(state.Encode()))
				}
				return nil
			})
			if _, err := os.ReadDir(p.target("data")); !errors.Is(err, unix.ENOTCONN) {
				t.Errorf("the target has something: %v", err)
			}
			c.kill()
			eventually(t, "the attempt ends with its client", func() error {
				if state := stateOf(k, p, "fluid-fuse-0"); state.Text != causeEnded {
					return errors.New(string(state.Encode()))
				}
				return nil
			})
			p.delete()
		})
	}
}

func stateOf(k *Node, p *pod, name string) wire.Reply {
	k.Plugin.mu.Lock()
	c := k.Plugin.clients[clientKey{p.uid, name}]
	k.Plugin.mu.Unlock()
	if c == nil {
		return wire.Reply{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state()
}

func TestReadOnlyIsForOneVolumeAlone(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("writable", "fluid-fuse-0", "")
	attributes := map[string]string{"role": "data", "client": "fluid-fuse-0"}
	if err := p.try("readonly", true, attributes); err != nil {
		t.Fatal(err)
	}
	p.published = append(p.published, "readonly")
	p.sidecar("broker", 65534, "serve", "text")
	p.reads("readonly", "file", "text")
	p.reads("writable", "file", "text")
	if err := os.Mkdir(p.target("readonly")+"/new", 0o755); !errors.Is(err, unix.EROFS) {
		t.Errorf("in the read-only volume: %v", err)
	}
	if err := os.Mkdir(p.target("writable")+"/new", 0o755); errors.Is(err, unix.EROFS) {
		t.Errorf("in the other volume: %v", err)
	}
}

func TestAClientThatHangsBelowASubPathCanBeUnpublished(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	p.broker("broker", "fluid-fuse-0", "")
	p.data("data", "fluid-fuse-0", "hang/below")
	p.sidecar("broker", 65534, "serve", "text")
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	p.delete()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("deleting took %s", took)
	}
}

func TestAttributesOfTheWholeRequestAreChecked(t *testing.T) {
	k := newPlugin(t)
	p := newPod(t, k, "11111111-2222-3333-4444-555555555555")
	good := func() *csi.NodePublishVolumeRequest {
		return p.request("data", map[string]string{"role": "data", "client": "c"})
	}
	for name, spoil := range map[string]func(*csi.NodePublishVolumeRequest){
		"no volume":       func(r *csi.NodePublishVolumeRequest) { r.VolumeId = "" },
		"no capability":   func(r *csi.NodePublishVolumeRequest) { r.VolumeCapability = nil },
		"a block device":  func(r *csi.NodePublishVolumeRequest) { r.VolumeCapability.AccessType = &csi.VolumeCapability_Block{} },
		"mount flags":     func(r *csi.NodePublishVolumeRequest) { r.VolumeCapability.GetMount().MountFlags = []string{"suid"} },
		"another pod":     func(r *csi.NodePublishVolumeRequest) { r.VolumeContext[keyPodUID] = "66666666" },
		"no pod":          func(r *csi.NodePublishVolumeRequest) { delete(r.VolumeContext, keyPodUID) },
		"not inline":      func(r *csi.NodePublishVolumeRequest) { delete(r.VolumeContext, keyEphemeral) },
		"another target":  func(r *csi.NodePublishVolumeRequest) { r.TargetPath = "/etc" },
		"a way out":       func(r *csi.NodePublishVolumeRequest) { r.TargetPath = filepath.Dir(r.TargetPath) + "/../../mount" },
		"a bad attribute": func(r *csi.NodePublishVolumeRequest) { r.VolumeContext["device"] = "/dev/sda" },
		"a bad option":    func(r *csi.NodePublishVolumeRequest) { r.VolumeContext["options"] = "suid" },
	} {
		r := good()
		spoil(r)
		if _, err := k.NodePublishVolume(context.Background(), r); err == nil {
			t.Errorf("published a volume with %s", name)
		}
	}
	for _, path := range []string{"", "/etc", "/mnt/kubelet", "/mnt/kubelet/pods/x/volumes/kubernetes.io~csi/../mount"} {
		if _, err := k.NodeUnpublishVolume(context.Background(), &csi.NodeUnpublishVolumeRequest{VolumeId: "v", TargetPath: path}); err == nil {
			t.Errorf("unpublished %q", path)
		}
	}
	if len(k.Plugin.clients) != 0 || len(k.Plugin.volumes) != 0 {
		t.Errorf("left: %v, %v", k.Plugin.clients, k.Plugin.volumes)
	}
}
