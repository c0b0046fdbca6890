package load

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

const (
	systemNamespace = "kubectl-fluid-system"
	webhookService  = "kubectl-fluid-webhook"
)

// installation is what a user installs, on a control plane without nodes: the manifests of config/default, with
// replicas of the controller that are processes of this machine. The API server reaches them as it reaches pods, by
// Services with endpoints, over HTTP/1.1.
type installation struct {
	*environment
	address    string // of this machine; endpoints can't be loopback addresses
	program    string
	kubeconfig string
	replicas   []*replica
	null       *os.Process // the null webhook, if there is one
}

// install installs the manifests and starts two replicas, and returns once both serve.
func install(t testing.TB, e *environment, args ...string) *installation {
	t.Helper()
	n := &installation{environment: e, address: machineAddress(t), program: filepath.Join(t.TempDir(), "controller")}
	build := exec.Command("go", "build", "-o", n.program, "./cmd/controller")
	build.Dir = "../.."
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the controller: %v\n%s", err, output)
	}
	n.apply(t, n.kubectl(t, "", "kustomize", "../../config/host"))
	var err error
	if n.kubeconfig, err = n.cluster.ServiceAccountKubeconfig(n.ctx, systemNamespace, "kubectl-fluid-controller"); err != nil {
		t.Fatal(err)
	}
	variables := n.deployedVariables(t)
	for i := range 2 {
		n.replicas = append(n.replicas, newReplica(t, n, i, args, variables))
	}
	n.serve(t)
	for _, r := range n.replicas {
		if err := r.start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range n.replicas {
		if err := r.awaitReady(); err != nil {
			t.Fatal(err)
		}
	}
	n.connect(t)
	return n
}

// deployedVariables returns the variables that the Deployment gives the controller, without those of its pod.
func (n *installation) deployedVariables(t testing.TB) []string {
	t.Helper()
	var variables []string
	for _, manifest := range strings.Split(n.kubectl(t, "", "kustomize", "../../config/controller"), "\n---\n") {
		deployment := &appsv1.Deployment{}
		if !strings.Contains(manifest, "\nkind: Deployment\n") {
			continue
		}
		if err := yaml.Unmarshal([]byte(manifest), deployment); err != nil {
			t.Fatal(err)
		}
		for _, variable := range deployment.Spec.Template.Spec.Containers[0].Env {
			if variable.ValueFrom == nil {
				variables = append(variables, variable.Name+"="+variable.Value)
			}
		}
	}
	if len(variables) == 0 {
		t.Fatal("the Deployment gives the controller no variables")
	}
	return variables
}

// connect waits until each replica has a seat of its own, and then makes the endpoints.
func (n *installation) connect(t testing.TB) {
	t.Helper()
	err := harness.Await(time.Minute, func() error {
		if first, second := n.replicas[0].seat(t), n.replicas[1].seat(t); first == second {
			return fmt.Errorf("both replicas have the seat %q", first)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range n.replicas {
		for _, service := range []string{webhookService + "-" + r.seat(t), webhookService} {
			r.slices = append(r.slices, n.createSlice(t, service, r.port))
		}
		if err := r.setReady(true); err != nil {
			t.Fatal(err)
		}
	}
}

// machineAddress returns an address of this machine that endpoints may have.
func machineAddress(t testing.TB) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	t.Skip("this machine has no address that the endpoints of a Service may have")
	return ""
}

func (n *installation) kubectl(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	command := exec.Command(filepath.Join(n.cluster.BinDir(), "kubectl"), args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+n.cluster.Kubeconfig())
	var stderr bytes.Buffer
	command.Stdin, command.Stderr = strings.NewReader(stdin), &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(output)
}

// apply applies the manifests but their Services, which are for a single controller.
func (n *installation) apply(t testing.TB, manifests string) {
	t.Helper()
	var kept []string
	for _, manifest := range strings.Split(manifests, "\n---\n") {
		if !strings.Contains(manifest, "\nkind: Service\n") {
			kept = append(kept, manifest)
		}
	}
	n.kubectl(t, strings.Join(kept, "\n---\n"), "apply", "--server-side", "-f", "-")
}

// serve creates the Services, one in front of all replicas and one for each seat, and the replicas' pods, which nobody
// runs: the processes give them their seats.
func (n *installation) serve(t testing.TB) {
	t.Helper()
	for _, seat := range []string{"", "-0", "-1"} {
		n.createService(t, webhookService+seat)
	}
	if err := harness.Await(time.Minute, func() error {
		return n.client.Get(n.ctx, client.ObjectKey{Namespace: systemNamespace, Name: "default"}, &corev1.ServiceAccount{})
	}); err != nil {
		t.Fatal(err)
	}
	for _, r := range n.replicas {
		pod := restrictedPod(systemNamespace, r.pod())
		pod.Labels = map[string]string{"app.kubernetes.io/name": "kubectl-fluid-controller"}
		n.create(t, pod)
	}
}

// restrictedPod returns a pod that is allowed everywhere.
func restrictedPod(namespace, name string) *corev1.Pod {
	pod := newPod(namespace, name)
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	pod.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
	return pod
}

func (n *installation) createService(t testing.TB, name string) {
	t.Helper()
	n.create(t, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 443}}},
	})
}

// createSlice makes an endpoint of a Service that isn't ready yet.
func (n *installation) createSlice(t testing.TB, service, port string) *discoveryv1.EndpointSlice {
	t.Helper()
	number, err := strconv.ParseInt(port, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, GenerateName: service + "-",
			Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new(""), Port: new(int32(number))}},
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{n.address}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}}},
	}
	n.create(t, slice)
	return slice
}

// setReady says whether an endpoint gets traffic.
func (n *installation) setReady(slice *discoveryv1.EndpointSlice, ready bool) error {
	patch := fmt.Sprintf(`[{"op":"replace","path":"/endpoints/0/conditions/ready","value":%t}]`, ready)
	return n.client.Patch(n.ctx, slice, client.RawPatch(types.JSONPatchType, []byte(patch)))
}

// newConsumer makes a physical Dataset and the reference refdemo to it in a namespace where pods can be created, and
// waits until the reference is Bound.
func (n *installation) newConsumer(t testing.TB) (namespace string) {
	t.Helper()
	physical := n.newPhysical(t)
	namespace = n.newNamespace(t)
	n.create(t, newReference(namespace, "refdemo", physical))
	err := harness.Await(time.Minute, func() error {
		ref := &datav1alpha1.Dataset{}
		if err := n.client.Get(n.ctx, client.ObjectKey{Namespace: namespace, Name: "refdemo"}, ref); err != nil {
			return err
		}
		if ref.Status.Phase != datav1alpha1.BoundPhase {
			return fmt.Errorf("the reference is %q: %+v", ref.Status.Phase, ref.Status.Conditions)
		}
		return n.client.Get(n.ctx, client.ObjectKey{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{})
	})
	if err != nil {
		t.Fatal(err)
	}
	return namespace
}

// freePorts returns n free ports.
func freePorts(t testing.TB, count int) []string {
	t.Helper()
	ports, err := cluster.FreePorts(count)
	if err != nil {
		t.Fatal(err)
	}
	return ports
}
