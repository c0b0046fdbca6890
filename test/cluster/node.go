package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// ErrNodeUnsupported is why Start refuses Options.Node, before it does anything:
// this machine or user can't run a node. A control plane alone can still be had.
var ErrNodeUnsupported = errors.New("this machine can't run a Kubernetes node")

const nodeName = "node-1"

// nodeProgram is a program of the machine that the node needs, with the Debian
// package that has it.
type nodeProgram struct{ program, pkg string }

func nodePrograms() []nodeProgram {
	return []nodeProgram{
		{"containerd", "containerd"},
		{"ctr", "containerd"},
		{"runc", "runc"},
		{"ip", "iproute2"},
		{"iptables", "iptables"},
		{"mount", "mount"},
		{"dpkg-deb", "dpkg"},
		{"apt-get", "apt"},
	}
}

// nodeSupported returns an ErrNodeUnsupported that says why, or nil.
func nodeSupported() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("%w: a node needs Linux, and this is %s", ErrNodeUnsupported, runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: a node needs root (mounts, network namespaces), and this is the user %d", ErrNodeUnsupported, os.Geteuid())
	}
	for name, bit := range map[string]uint{"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21} {
		if !hasCapability(bit) {
			return fmt.Errorf("%w: root lacks %s here, as in an unprivileged container", ErrNodeUnsupported, name)
		}
	}
	if _, err := lookPath("apt-get"); err != nil {
		return fmt.Errorf("%w: images are built from Debian packages, and there is no apt-get", ErrNodeUnsupported)
	}
	return nil
}

// hasCapability reports whether this process has a capability of Linux.
func hasCapability(bit uint) bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && set&(1<<bit) != 0
		}
	}
	return false
}

// prepareNode installs the packages that a node needs and sets up its network, on which the API server listens.
func (c *Cluster) prepareNode(ctx context.Context) error {
	var packages []string
	for _, p := range nodePrograms() {
		if _, err := lookPath(p.program); err != nil {
			packages = append(packages, p.pkg)
		}
	}
	if _, err := cniPluginDir(); err != nil {
		packages = append(packages, "containernetworking-plugins")
	}
	if len(packages) > 0 {
		if err := EnsurePackages(ctx, c.out, slices.Compact(packages)...); err != nil {
			return err
		}
	}
	return c.setUpNetwork(ctx)
}

// startNode starts what runs pods and waits until the node is Ready.
func (c *Cluster) startNode(ctx context.Context, mountRoot string, images []Image) error {
	if err := c.shareMountRoot(ctx, mountRoot); err != nil {
		return err
	}
	if err := c.startContainerd(ctx); err != nil {
		return err
	}
	if err := c.importImages(ctx, images); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := c.startDNS(ctx, client); err != nil {
		return err
	}
	if err := c.run("kube-scheduler", []string{
		"--kubeconfig=" + c.path("kubeconfigs", "scheduler"), "--leader-elect=false", "--secure-port=0",
	}); err != nil {
		return err
	}
	if err := c.startKubelet(ctx); err != nil {
		return err
	}
	return c.waitForNode(ctx, client)
}

// startKubelet starts a kubelet that only uses files, a cgroup and a port of its own.
func (c *Cluster) startKubelet(ctx context.Context) error {
	cgroup := c.journal.get().Network.name()
	if err := c.journal.update(func(r *record) { r.Cgroup = cgroup }); err != nil {
		return err
	}
	if err := createCgroup(cgroup); err != nil {
		return err
	}
	ports, err := FreePorts(1)
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(ports[0])
	if err != nil {
		return err
	}
	config, err := json.MarshalIndent(c.kubeletConfig(port, cgroup), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the configuration of kubelet: %w", err)
	}
	path := c.path("node", "kubelet.json")
	if err := writeFile(path, config, 0o600); err != nil {
		return fmt.Errorf("write the configuration of kubelet: %w", err)
	}
	return c.run("kubelet", []string{
		"--config=" + path,
		"--root-dir=" + c.KubeletDirectory(),
		"--kubeconfig=" + c.path("kubeconfigs", "kubelet"),
		"--hostname-override=" + nodeName,
		// With an external cloud provider kubelet takes the addresses that the
		// node has; waitForNode sets 127.0.0.1, which kubelet itself refuses.
		"--cloud-provider=external",
	})
}

func (c *Cluster) kubeletConfig(port int, cgroup string) map[string]any {
	pki := c.path("pki")
	return map[string]any{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"address":                  "127.0.0.1",
		"port":                     port,
		"healthzPort":              0,
		"tlsCertFile":              filepath.Join(pki, "kubelet.crt"),
		"tlsPrivateKeyFile":        filepath.Join(pki, "kubelet.key"),
		"authentication":           map[string]any{"anonymous": map[string]any{"enabled": false}, "x509": map[string]any{"clientCAFile": filepath.Join(pki, "ca.crt")}},
		"authorization":            map[string]any{"mode": "Webhook"},
		"containerRuntimeEndpoint": "unix://" + c.containerdSocket(),
		"podLogsDir":               c.path("node", "pod-logs"),
		"volumePluginDir":          c.path("node", "volume-plugins"),
		"clusterDomain":            clusterDomain,
		"clusterDNS":               []string{c.journal.get().Network.DNS},
		// The resolver of the machine is of no use to pods where it is on a loopback address.
		"resolvConf":   "",
		"cgroupDriver": "cgroupfs",
		"cgroupRoot":   "/" + cgroup,
		"failCgroupV1": false,
		"failSwapOn":   false,
		"oomScoreAdj":  0, // Lowering it needs CAP_SYS_RESOURCE.
		// Chains of iptables for kube-proxy, which would stay behind.
		"makeIPTablesUtilChains": false,
		"enforceNodeAllocatable": []string{},
		// The machine isn't the cluster's alone: its disk may be nearly full.
		"evictionHard":                map[string]string{"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
		"imageGCHighThresholdPercent": 100,
		"imageGCLowThresholdPercent":  99,
		"nodeStatusUpdateFrequency":   "1s",
		// Notice changed ConfigMaps, and containers to start again, soon.
		"syncFrequency": "5s",
	}
}

// waitForNode completes the node as a cloud provider would, and waits until
// pods can be scheduled to it.
func (c *Cluster) waitForNode(ctx context.Context, client kubernetes.Interface) error {
	nodes := client.CoreV1().Nodes()
	err := waitFor(ctx, "the node to register", readinessTimeout, c.running, func(ctx context.Context) error {
		_, err := nodes.Get(ctx, nodeName, metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	addresses := `{"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"},{"type":"Hostname","address":"` + nodeName + `"}]}}`
	if _, err := nodes.Patch(ctx, nodeName, types.MergePatchType, []byte(addresses), metav1.PatchOptions{}, "status"); err != nil {
		return fmt.Errorf("set the addresses of the node: %w", err)
	}
	return waitFor(ctx, "the node to be Ready", readinessTimeout, c.running, func(ctx context.Context) error {
		node, err := nodes.Get(ctx, nodeName, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if len(node.Spec.Taints) == 0 {
			return nodeReady(node)
		}
		taints := node.Spec.Taints
		node.Spec.Taints = nil
		for _, taint := range taints {
			if taint.Key != "node.cloudprovider.kubernetes.io/uninitialized" {
				node.Spec.Taints = append(node.Spec.Taints, taint)
			}
		}
		if len(node.Spec.Taints) < len(taints) {
			// A conflict is tried again.
			if _, err := nodes.Update(ctx, node, metav1.UpdateOptions{}); err != nil {
				return err
			}
		}
		return fmt.Errorf("the node has the taints %v", taints)
	})
}

func nodeReady(node *corev1.Node) error {
	for _, condition := range node.Status.Conditions {
		if condition.Type != corev1.NodeReady {
			continue
		}
		if condition.Status == corev1.ConditionTrue {
			return nil
		}
		return fmt.Errorf("the node is not Ready: %s", condition.Message)
	}
	return errors.New("the node has no condition Ready yet")
}
