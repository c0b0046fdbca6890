package manifests

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// What the node plugin is called in the code; a test of pkg/node/volume finds the same in config.
const (
	nodeNamespace = "kubectl-fluid-node"
	nodeDriver    = "fuse.kubectl-fluid.dev"
)

// nodePluginLabel is on all that belongs to the node plugin.
const nodePluginLabel = "\n    app.kubernetes.io/component: node-plugin\n"

// nodePlugin is what install.yaml has of the node plugin.
type nodePlugin struct {
	namespace corev1.Namespace
	account   corev1.ServiceAccount
	daemons   appsv1.DaemonSet
	driver    storagev1.CSIDriver
	network   networkingv1.NetworkPolicy
}

func readNodePlugin(t *testing.T) nodePlugin {
	t.Helper()
	var n nodePlugin
	objects := 0
	for _, document := range strings.Split(render(t, "default", "x"), "---\n") {
		if !strings.Contains(document, nodePluginLabel) {
			continue
		}
		objects++
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatal(err)
		}
		into := map[string]any{"Namespace": &n.namespace, "ServiceAccount": &n.account, "DaemonSet": &n.daemons, "CSIDriver": &n.driver, "NetworkPolicy": &n.network}[kind.Kind]
		if into == nil {
			t.Fatalf("the node plugin has a %s, of which this test knows nothing", kind.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Fatal(err)
		}
	}
	if objects != 5 {
		t.Fatalf("the node plugin has %d objects", objects)
	}
	return n
}

// TestNodePluginHasRightsOnItsNodeAlone: it may mount, and nothing else: no right in the API, no token, no network, and
// of the node no more than three directories of kubelet's.
func TestNodePluginHasRightsOnItsNodeAlone(t *testing.T) {
	n := readNodePlugin(t)
	pod := n.daemons.Spec.Template.Spec
	if n.namespace.Name != nodeNamespace || n.namespace.Labels["pod-security.kubernetes.io/enforce"] != "privileged" {
		t.Errorf("its namespace is %s, labelled %v", n.namespace.Name, n.namespace.Labels)
	}
	for name, token := range map[string]*bool{"ServiceAccount": n.account.AutomountServiceAccountToken, "pods": pod.AutomountServiceAccountToken} {
		if token == nil || *token {
			t.Errorf("its %s has a token", name)
		}
	}
	if pod.HostNetwork || pod.HostPID || pod.HostIPC || len(pod.Containers) != 1 || len(pod.Containers[0].Ports) > 0 || pod.ServiceAccountName != n.account.Name {
		t.Errorf("its pods are %+v", pod)
	}
	security := pod.Containers[0].SecurityContext
	if !*security.Privileged || !*security.ReadOnlyRootFilesystem || *security.RunAsUser != 0 {
		t.Errorf("its container has %+v", security)
	}
	types := []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	if s := n.network.Spec; len(s.Ingress)+len(s.Egress)+len(s.PodSelector.MatchLabels)+len(s.PodSelector.MatchExpressions) > 0 || !slices.Equal(s.PolicyTypes, types) {
		t.Errorf("its network policy is %+v", s)
	}
	const kubelet = "/var/lib/kubelet"
	if !slices.Equal(pod.Containers[0].Args, []string{"--kubelet-directory=" + kubelet}) {
		t.Errorf("its arguments are %q", pod.Containers[0].Args)
	}
	mounted := map[string]string{}
	for _, m := range pod.Containers[0].VolumeMounts {
		mounted[m.Name] = m.MountPath
		if both := m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationBidirectional; both != (m.MountPath == kubelet+"/pods") {
			t.Errorf("%s: mount propagation %v", m.MountPath, m.MountPropagation)
		}
	}
	var host []string
	for _, v := range pod.Volumes {
		if v.HostPath != nil {
			host = append(host, v.HostPath.Path)
			if mounted[v.Name] != v.HostPath.Path {
				t.Errorf("%s of the node is %s in the pod: kubelet's paths don't lead there", v.HostPath.Path, mounted[v.Name])
			}
		}
	}
	slices.Sort(host)
	if want := []string{kubelet + "/plugins/" + nodeDriver, kubelet + "/plugins_registry", kubelet + "/pods"}; !slices.Equal(host, want) {
		t.Errorf("of the node it has %q", host)
	}
}

// TestNodePluginIsOnEveryLinuxNode: also on those with taints, and before other pods.
func TestNodePluginIsOnEveryLinuxNode(t *testing.T) {
	pod := readNodePlugin(t).daemons.Spec.Template.Spec
	if len(pod.Tolerations) != 1 || pod.Tolerations[0] != (corev1.Toleration{Operator: corev1.TolerationOpExists}) {
		t.Errorf("it tolerates %+v", pod.Tolerations)
	}
	if pod.PriorityClassName != "system-node-critical" || len(pod.NodeSelector) != 1 || pod.NodeSelector[corev1.LabelOSStable] != "linux" {
		t.Errorf("its priority is %s, its nodes have %v", pod.PriorityClassName, pod.NodeSelector)
	}
}

// TestDriverIsForInlineVolumesOfPods: what Kubernetes doesn't let be changed later, and what keeps kubelet from asking FUSE
// clients.
func TestDriverIsForInlineVolumesOfPods(t *testing.T) {
	driver := readNodePlugin(t).driver
	s := driver.Spec
	if driver.Name != nodeDriver || *s.AttachRequired || !*s.PodInfoOnMount || !*s.RequiresRepublish || *s.FSGroupPolicy != storagev1.NoneFSGroupPolicy ||
		!slices.Equal(s.VolumeLifecycleModes, []storagev1.VolumeLifecycleMode{storagev1.VolumeLifecycleEphemeral}) {
		t.Errorf("the driver %s is %+v", driver.Name, s)
	}
}
