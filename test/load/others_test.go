package load

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

const (
	never    = admissionregistrationv1.NeverReinvocationPolicy
	ifNeeded = admissionregistrationv1.IfNeededReinvocationPolicy
)

// TestBesideOthers: what the webhook configurations and the policy do on a real API server, beside other webhooks and
// the controllers of workloads.
func TestBesideOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("tests on a cluster")
	}
	n := install(t, newEnvironment(t), "--sidecar-privileges=allowed")
	namespace, privileged := n.newConsumer(t), n.newConsumer(t)
	n.allowPrivileges(t, privileged)
	for way, namespace := range map[string]string{"without privileges": namespace, "privileged": privileged} {
		t.Run(way, func(t *testing.T) {
			t.Run("webhooks before ours", func(t *testing.T) { n.testBefore(t, namespace) })
			t.Run("webhooks after ours", func(t *testing.T) { n.testAfter(t, namespace) })
			t.Run("sidecars lost and altered", func(t *testing.T) { n.testPolicy(t, namespace) })
		})
	}
	t.Run("pods that aren't concerned", func(t *testing.T) { n.testUnconcerned(t, namespace) })
	t.Run("calls for pods that are", func(t *testing.T) { n.testCalls(t, namespace) })
	t.Run("resources by default", n.testLimitRange)
	t.Run("denials of workloads", n.testWorkloads)
	t.Run("references of a moment ago", func(t *testing.T) { n.testAtOnce(t, namespace) })
}

// allowPrivileges lets a namespace have privileged sidecars, and waits until the replicas know it.
func (n *installation) allowPrivileges(t *testing.T, namespace string) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"`+reference.LabelPrivileges+`":"allowed"}}}`))
	if err := n.client.Patch(n.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, patch); err != nil {
		t.Fatal(err)
	}
	for range n.replicas { // a call in turn
		harness.Eventually(t, 10*time.Second, func() error {
			pod := newPod(namespace, "privileged")
			if err := n.client.Create(n.ctx, pod, client.DryRunAll); err != nil {
				return err
			}
			if pod.Spec.Volumes[0].HostPath == nil {
				return errors.New("its sidecar has no privileges")
			}
			return nil
		})
	}
}

// testAtOnce creates pods right after their reference and all that it refers to, without a look at either: each gets its
// sidecar, though the caches of the webhooks may not have heard of everything yet.
func (n *installation) testAtOnce(t *testing.T, namespace string) {
	for i := range 30 {
		name := fmt.Sprint("at-once-", i)
		physical := n.newPhysical(t)
		n.create(t, newReference(namespace, name, physical))
		pod := newPod(namespace, name)
		pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = name
		if err := n.client.Create(n.ctx, pod); err != nil || !slices.Equal(containerNames(pod.Spec.InitContainers), []string{"fluid-fuse-0"}) {
			t.Errorf("pod %d: %v, init containers %v", i, err, containerNames(pod.Spec.InitContainers))
		}
	}
}

// createPod creates the documented pod with the label test=<label>, and returns it as the API server has admitted it.
func (n *installation) createPod(namespace, label string) (*corev1.Pod, error) {
	pod := newPod(namespace, "")
	pod.GenerateName = label + "-"
	pod.Labels["test"] = label
	// A webhook configuration is in force a moment after its creation.
	err := harness.Await(10*time.Second, func() error {
		dry := pod.DeepCopy()
		err := n.client.Create(n.ctx, dry, client.DryRunAll)
		if err == nil && dry.Annotations["double"] == "" {
			err = errors.New("the double isn't called yet")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return pod, n.client.Create(n.ctx, pod)
}

// annotated is an operation of every double's patch, which shows that it was called.
func annotated(pod *corev1.Pod, more ...string) string {
	annotation := `{"op":"add","path":"/metadata/annotations","value":{"double":"called"}}`
	if pod.Annotations != nil {
		annotation = `{"op":"add","path":"/metadata/annotations/double","value":"called"}`
	}
	return "[" + strings.Join(append([]string{annotation}, more...), ",") + "]"
}

func containerNames(containers []corev1.Container) []string {
	var names []string
	for i := range containers {
		names = append(names, containers[i].Name)
	}
	return names
}

const addProxy = `{"op":"add","path":"/spec/containers/-","value":{"name":"proxy","image":"proxy","volumeMounts":[{"name":"data","mountPath":"/d"}]}}`

// testBefore has doubles of Fluid's webhook and of Istio's, whose names come before ours.
func (n *installation) testBefore(t *testing.T, namespace string) {
	t.Run("Fluid injects", func(t *testing.T) {
		n.double(t, "fluid-pod-admission-webhook", "fluid", ifNeeded, func(pod *corev1.Pod) string {
			if pod.Labels["done.sidecar.fluid.io/inject"] == "true" {
				return ""
			}
			return annotated(pod, `{"op":"add","path":"/metadata/labels/done.sidecar.fluid.io~1inject","value":"true"}`,
				`{"op":"add","path":"/spec/containers/0","value":{"name":"fluid-fuse-0","image":"theirs"}}`)
		})
		pod, err := n.createPod(namespace, "fluid")
		if err != nil {
			t.Fatal(err)
		}
		if names := containerNames(append(pod.Spec.InitContainers, pod.Spec.Containers...)); !slices.Equal(names, []string{"fluid-fuse-0", "nginx"}) || len(pod.Annotations) != 1 {
			t.Errorf("Fluid's pod has the containers %v and the annotations %v", names, pod.Annotations)
		}
	})
	t.Run("Fluid fails open", func(t *testing.T) {
		n.double(t, "fluid-pod-admission-webhook", "open", ifNeeded, func(pod *corev1.Pod) string { return annotated(pod) })
		pod, err := n.createPod(namespace, "open")
		if err != nil || !slices.Equal(containerNames(pod.Spec.InitContainers), []string{"fluid-fuse-0"}) {
			t.Errorf("%v, %v", err, pod)
		}
	})
	t.Run("Istio adds a native sidecar and a container", func(t *testing.T) {
		n.double(t, "istio-sidecar-injector", "istio", ifNeeded, func(pod *corev1.Pod) string {
			if slices.Contains(containerNames(pod.Spec.Containers), "proxy") {
				return ""
			}
			return annotated(pod, addProxy, `{"op":"add","path":"/spec/initContainers","value":[{"name":"istio-proxy","image":"proxy","restartPolicy":"Always"}]}`)
		})
		pod, err := n.createPod(namespace, "istio")
		if err != nil {
			t.Fatal(err)
		}
		checkInjected(t, pod, []string{"fluid-fuse-0", "istio-proxy"}, []string{"nginx", "proxy"})
	})
}

// testAfter has doubles whose names come after ours: the API server asks us again.
func (n *installation) testAfter(t *testing.T, namespace string) {
	for label, policy := range map[string]admissionregistrationv1.ReinvocationPolicyType{"mesh": never, "mesh-again": ifNeeded} {
		n.double(t, "mesh-"+label, label, policy, func(pod *corev1.Pod) string {
			if slices.Contains(containerNames(pod.Spec.Containers), "proxy") {
				return ""
			}
			return annotated(pod, addProxy)
		})
		pod, err := n.createPod(namespace, label)
		if err != nil {
			t.Fatal(err)
		}
		checkInjected(t, pod, []string{"fluid-fuse-0"}, []string{"nginx", "proxy"})
	}
}

// checkInjected: the containers are these, and each that mounts the data sees what the sidecar mounts.
func checkInjected(t *testing.T, pod *corev1.Pod, inits, containers []string) {
	t.Helper()
	if !slices.Equal(containerNames(pod.Spec.InitContainers), inits) || !slices.Equal(containerNames(pod.Spec.Containers), containers) {
		t.Errorf("init containers %v, containers %v", containerNames(pod.Spec.InitContainers), containerNames(pod.Spec.Containers))
	}
	for _, container := range pod.Spec.Containers {
		for _, mount := range container.VolumeMounts {
			if mount.Name != "data" || isServed(pod) {
				continue
			}
			if mount.MountPropagation == nil || *mount.MountPropagation != corev1.MountPropagationHostToContainer {
				t.Errorf("container %s doesn't see the data: %+v", container.Name, mount)
			}
		}
	}
	if pod.Annotations["kubectl-fluid.dev/injected-by"] == "" {
		t.Errorf("the annotations are %v", pod.Annotations)
	}
}

// isServed reports whether the node plugin mounts the documented volume for the sidecar.
func isServed(pod *corev1.Pod) bool {
	data := pod.Spec.Volumes[0]
	return data.Name == "data" && data.CSI != nil && data.CSI.Driver == volume.Driver && data.CSI.VolumeAttributes[volume.AttributeClient] == "fluid-fuse-0"
}

// isBroker reports whether the node plugin gives a sidecar its mounts by a volume.
func isBroker(pod *corev1.Pod, name string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == name && v.CSI != nil && v.CSI.VolumeAttributes[volume.AttributeRole] == volume.RoleBroker
	})
}

// testPolicy has doubles that break what we injected.
func (n *installation) testPolicy(t *testing.T, namespace string) {
	isSidecar := func(pod *corev1.Pod) bool {
		return slices.Contains(containerNames(pod.Spec.InitContainers), "fluid-fuse-0")
	}
	// The mount by which a sidecar shares what it mounts: of a directory on the node, or of the volume by which the node
	// plugin gives it its mounts.
	sharing := func(pod *corev1.Pod) string {
		var operations []string
		for i, mount := range pod.Spec.InitContainers[0].VolumeMounts {
			if mount.MountPropagation != nil && *mount.MountPropagation == corev1.MountPropagationBidirectional {
				operations = append(operations, fmt.Sprintf(`{"op":"replace","path":"/spec/initContainers/0/volumeMounts/%d/mountPropagation","value":"HostToContainer"}`, i))
			}
			if isServed(pod) && isBroker(pod, mount.Name) {
				operations = append(operations, fmt.Sprintf(`{"op":"replace","path":"/spec/initContainers/0/volumeMounts/%d/name","value":"data"}`, i))
			}
		}
		return strings.Join(operations, ",")
	}
	for label, test := range map[string]struct {
		operation func(*corev1.Pod) string
		want      finding.Code
	}{
		"lost":    {func(*corev1.Pod) string { return `{"op":"remove","path":"/spec/initContainers/0"}` }, finding.CodeSidecarLost},
		"altered": {sharing, finding.CodeSidecarAltered},
		"early": {func(*corev1.Pod) string {
			return `{"op":"add","path":"/spec/initContainers/0","value":{"name":"early","image":"x","volumeMounts":[{"name":"data","mountPath":"/d"}]}}`
		}, finding.CodeMountAltered},
	} {
		n.double(t, "zz-"+label, label, never, func(pod *corev1.Pod) string {
			if !isSidecar(pod) {
				return annotated(pod)
			}
			return annotated(pod, test.operation(pod))
		})
		if err := harness.Await(10*time.Second, func() error {
			pod := newPod(namespace, "broken")
			pod.Labels["test"] = label
			err := n.client.Create(n.ctx, pod, client.DryRunAll)
			if err == nil || !strings.Contains(err.Error(), string(test.want)) {
				return fmt.Errorf("a pod whose sidecar is %s is answered with: %v", label, err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

// testUnconcerned: pods that aren't ours don't reach our webhook, whatever labels they have.
func (n *installation) testUnconcerned(t *testing.T, namespace string) {
	before := n.asked(t)
	for _, test := range []struct {
		namespace string
		labels    map[string]string
	}{
		{namespace, nil},
		{namespace, map[string]string{"serverless.fluid.io/inject": "false"}},
		{namespace, map[string]string{"serverless.fluid.io/inject": "true", "fluid.io/enable-injection": "false"}},
		{"kube-system", map[string]string{"serverless.fluid.io/inject": "true"}},
		{systemNamespace, map[string]string{"serverless.fluid.io/inject": "true"}},
	} {
		pod := restrictedPod(test.namespace, "unconcerned")
		pod.Labels = maps.Clone(test.labels)
		if err := n.client.Create(n.ctx, pod, client.DryRunAll); err != nil || len(pod.Spec.InitContainers) > 0 {
			t.Errorf("a pod of %s with the labels %v: %v, init containers %v", test.namespace, test.labels, err, containerNames(pod.Spec.InitContainers))
		}
	}
	if after := n.asked(t); after != before {
		t.Errorf("the webhook was asked before %s, after %s", before, after)
	}
}

// testCalls: a pod is asked about once, and what somebody else has injected comes back as it was.
func (n *installation) testCalls(t *testing.T, namespace string) {
	for _, test := range []struct {
		name     string
		labels   map[string]string
		injected bool
	}{
		{"ours", map[string]string{"serverless.fluid.io/inject": "true"}, true},
		{"theirs", map[string]string{"serverless.fluid.io/inject": "true", "done.sidecar.fluid.io/inject": "true"}, false},
	} {
		calls, injected := n.calls(t, ""), n.calls(t, "injected")
		pod := newPod(namespace, test.name)
		pod.Labels = test.labels
		if err := n.client.Create(n.ctx, pod, client.DryRunAll); err != nil || slices.Equal(containerNames(pod.Spec.InitContainers), []string{"fluid-fuse-0"}) != test.injected {
			t.Errorf("%s: %v, init containers %v", test.name, err, containerNames(pod.Spec.InitContainers))
		}
		if calls = n.calls(t, "") - calls; calls != 1 {
			t.Errorf("%s: asked %d times: %s", test.name, calls, n.asked(t))
		}
		if injected = n.calls(t, "injected") - injected; (injected == 1) != test.injected {
			t.Errorf("%s: injected %d times", test.name, injected)
		}
	}
}

// testLimitRange: what Kubernetes itself changes of a sidecar is one more call, and nothing else.
func (n *installation) testLimitRange(t *testing.T) {
	namespace := n.newConsumer(t)
	cpu := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	n.create(t, &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "defaults"},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, DefaultRequest: cpu}}}})
	err := harness.Await(10*time.Second, func() error {
		calls, pod := n.calls(t, ""), newPod(namespace, "limited")
		if err := n.client.Create(n.ctx, pod, client.DryRunAll); err != nil {
			return err
		}
		checkInjected(t, pod, []string{"fluid-fuse-0"}, []string{"nginx"})
		if calls = n.calls(t, "") - calls; calls != 2 || pod.Spec.InitContainers[0].Resources.Requests.Cpu().IsZero() {
			return fmt.Errorf("asked %d times about a sidecar with the resources %v", calls, pod.Spec.InitContainers[0].Resources)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// asked returns the counters of the replicas for pods.
func (n *installation) asked(t *testing.T) string {
	t.Helper()
	var counters []string
	for _, r := range n.replicas {
		response, err := http.Get("http://127.0.0.1:" + r.metrics + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "kubectl_fluid_admissions_total") && strings.Contains(line, `"pods"`) {
				counters = append(counters, strings.TrimSpace(line))
			}
		}
	}
	return strings.Join(counters, "; ")
}

// calls returns how many calls for pods had a result; empty stands for any.
func (n *installation) calls(t *testing.T, result string) int {
	t.Helper()
	calls := 0
	for counter := range strings.SplitSeq(n.asked(t), "; ") {
		if name, value, _ := strings.Cut(counter, "} "); result == "" && value != "" || strings.Contains(name, `"`+result+`"`) {
			count, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			calls += count
		}
	}
	return calls
}

// testWorkloads: whoever made a workload whose pods are denied finds the reason in an event of it, though admission
// writes none: Kubernetes' own controllers do, with the webhook's answer.
func (n *installation) testWorkloads(t *testing.T) {
	namespace := n.newNamespace(t)
	n.create(t, newReference(namespace, "refdemo", "nowhere"))
	pod := newPod(namespace, "")
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec}
	job := template.DeepCopy()
	job.Spec.RestartPolicy = corev1.RestartPolicyNever
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "denied"}
	selector := &metav1.LabelSelector{MatchLabels: pod.Labels}
	n.create(t,
		&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector, Template: template}},
		&appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template, ServiceName: "denied"}},
		&batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: *job}},
	)
	for _, kind := range []string{"ReplicaSet", "StatefulSet", "Job"} {
		if err := harness.Await(30*time.Second, func() error {
			events := &corev1.EventList{}
			if err := n.client.List(n.ctx, events, client.InNamespace(namespace)); err != nil {
				return err
			}
			for _, event := range events.Items {
				if event.InvolvedObject.Kind == kind && event.Type == corev1.EventTypeWarning && strings.Contains(event.Message, string(finding.CodePhysicalMissing)) {
					return nil
				}
			}
			return fmt.Errorf("no event of %s has %s", kind, finding.CodePhysicalMissing)
		}); err != nil {
			t.Error(err)
		}
	}
}
