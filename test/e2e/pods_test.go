package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// consumer is a namespace of one test with the reference refdemo, whose pods run on the node beside those of other
// tests.
type consumer struct {
	namespace string
}

// newConsumer makes the namespace and the reference, to a physical Dataset or a sub-path of it. The test defers
// leavesNothing.
func newConsumer(t *testing.T, prefix, from string) *consumer {
	t.Helper()
	needNode(t)
	t.Parallel()
	c := &consumer{newNamespace(t, prefix)}
	c.refer(t, "refdemo", from)
	return c
}

func (c *consumer) refer(t *testing.T, name, from string) {
	t.Helper()
	kubectl(t, "fluid ref create "+name+" --from "+from+" --wait --timeout=60s -n "+c.namespace)
}

// leavesNothing deletes what runs and counts what is left on the node: no mount and no directory.
func (c *consumer) leavesNothing(t *testing.T) {
	t.Helper()
	// In the foreground the pods of a workload go before it does; else it might make one anew in the place of a deleted one.
	kubectl(t, "delete deployments,statefulsets,jobs --all --cascade=foreground --timeout=60s -n "+c.namespace)
	kubectl(t, "delete pods --all --timeout=60s -n "+c.namespace)
	harness.Eventually(t, time.Minute, func() error {
		if pods := c.pods(t); len(pods) > 0 {
			return fmt.Errorf("there are still %d pods", len(pods))
		}
		return nil
	})
	nodeHas(t, 0, c.namespace)
}

// readerSpec returns what a pod is that sees a claim's data at /data and does nothing until it is told to end.
func readerSpec(claim string) corev1.PodSpec {
	return corev1.PodSpec{
		Containers: []corev1.Container{{
			Name: "app", Image: "nginx", ImagePullPolicy: corev1.PullIfNotPresent,
			Command:      []string{"sh", "-c", `trap "exit 0" TERM; sleep 3600 & wait`},
			VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
		}},
		Volumes: []corev1.Volume{claimVolume("data", claim)},
	}
}

func claimVolume(name, claim string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}
}

// injected are the labels of a pod that is to have sidecars.
func injected() map[string]string {
	return map[string]string{datav1alpha1.LabelInject: "true", "app": "reader"}
}

// template returns a pod template of a workload.
func template(spec corev1.PodSpec) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: injected()}, Spec: spec}
}

func (c *consumer) create(t *testing.T, object client.Object) {
	t.Helper()
	object.SetNamespace(c.namespace)
	if err := shared.client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// run creates a pod and waits until it is Ready.
func (c *consumer) run(t *testing.T, name string, spec corev1.PodSpec) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: injected()}, Spec: spec}
	c.create(t, pod)
	kubectl(t, "wait pod/"+name+" --for=condition=Ready --timeout=120s -n "+c.namespace)
	return get(t, c.namespace, name, pod)
}

// pods returns the pods of the namespace.
func (c *consumer) pods(t *testing.T) []corev1.Pod {
	t.Helper()
	pods := &corev1.PodList{}
	if err := shared.client.List(t.Context(), pods, client.InNamespace(c.namespace)); err != nil {
		t.Fatal(err)
	}
	return pods.Items
}

// exec runs a shell script in a container.
func (c *consumer) exec(t *testing.T, pod, container, script string) (string, error) {
	t.Helper()
	return shared.Output(t.Context(), "", "kubectl", "exec", pod, "-c", container, "-n", c.namespace, "--", "sh", "-c", script)
}

// dataFile is a file of the Dataset default/phy, and dataText what is in it.
const (
	dataFile = "spark/README.md"
	dataText = "Apache Spark, or at least its name.\n"
)

// readsNow returns an error unless a pod's app sees the data in a file.
func (c *consumer) readsNow(t *testing.T, pod, file string) error {
	t.Helper()
	text, err := c.exec(t, pod, "app", "cat "+file)
	if err == nil && text != dataText {
		err = fmt.Errorf("pod %s reads %q", pod, text)
	}
	return err
}

// reads fails the test unless it does.
func (c *consumer) reads(t *testing.T, pod, file string) {
	t.Helper()
	if err := c.readsNow(t, pod, file); err != nil {
		t.Error(err)
	}
}

// sidecarStatus returns how the first sidecar of a pod is; at first kubelet doesn't say.
func sidecarStatus(pod *corev1.Pod) corev1.ContainerStatus {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if strings.HasPrefix(status.Name, "fluid-fuse-") {
			return status
		}
	}
	return corev1.ContainerStatus{}
}
