package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// pauseImage is the image of the container that holds a pod's namespaces.
const pauseImage = "docker.io/kubectl-fluid/pause:latest"

func (c *Cluster) containerdSocket() string { return c.path("node", "run", "containerd.sock") }

// containerdConfig is the configuration of containerd: root, state, socket, opt
// directory, image of pause, directories of CNI plugins and configuration.
const containerdConfig = `version = 2
root = %[1]q
state = %[2]q

[grpc]
  address = %[3]q

[plugins."io.containerd.internal.v1.opt"]
  path = %[4]q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[5]q
  # Where CAP_SYS_RESOURCE is missing, as in many containers and sandboxes, runc
  # may not lower an OOM score below its own and fails with an error about a
  # pipe. This raises the scores that kubelet asks for to what is allowed.
  restrict_oom_score_adj = true
  # Where teardown finds the pods' network namespaces by the path.
  netns_mounts_under_state_dir = true

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[6]q
    conf_dir = %[7]q
`

// startContainerd starts a containerd beside the machine's own, if it has one,
// that shares nothing with it.
func (c *Cluster) startContainerd(ctx context.Context) error {
	plugins, err := cniPluginDir()
	if err != nil {
		return err
	}
	config := fmt.Sprintf(containerdConfig, c.path("node", "containerd"), c.path("node", "run"), c.containerdSocket(),
		c.path("node", "opt"), pauseImage, plugins, c.path("node", "cni"))
	path := c.path("node", "containerd.toml")
	if err := writeFile(path, []byte(config), 0o600); err != nil {
		return fmt.Errorf("write the configuration of containerd: %w", err)
	}
	if err := c.run("containerd", []string{"--config", path}); err != nil {
		return err
	}
	return waitFor(ctx, "containerd", 30*time.Second, c.running, func(ctx context.Context) error {
		if _, err := os.Stat(c.containerdSocket()); err != nil {
			return err
		}
		_, err := c.ctr(ctx, "version")
		return err
	})
}

// ctr runs containerd's client in the namespace of Kubernetes.
func (c *Cluster) ctr(ctx context.Context, args ...string) (string, error) {
	return command(ctx, c.dir, "ctr", append([]string{"--address", c.containerdSocket(), "--namespace", "k8s.io"}, args...)...)
}

// importImages builds images, and that of pause, and imports them into containerd.
func (c *Cluster) importImages(ctx context.Context, images []Image) error {
	pause := Image{
		Name:       pauseImage,
		Files:      map[string]File{"/pause": {Source: filepath.Join(c.BinDir(), "pause"), Executable: true}},
		Entrypoint: []string{"/pause"},
	}
	for _, image := range append([]Image{pause}, images...) {
		archive, err := imageArchive(ctx, image, c.path("node", "images"), c.out)
		if err != nil {
			return err
		}
		if _, err := c.ctr(ctx, "images", "import", archive); err != nil {
			return fmt.Errorf("import the image %s into the node: %w", image.Name, err)
		}
	}
	return nil
}
