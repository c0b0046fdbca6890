package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// TestDeploymentOfThree: each pod reads the data through a FUSE mount of its own, and scaling down takes off those of
// the pods that go.
func TestDeploymentOfThree(t *testing.T) {
	c := newConsumer(t, "deployment", "default/phy")
	defer c.leavesNothing(t)
	c.create(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "reader"}},
		Template: template(readerSpec("refdemo")),
	}})
	kubectl(t, "rollout status deployment/reader --timeout=120s -n "+c.namespace)
	pods := c.pods(t)
	if len(pods) != 3 {
		t.Fatalf("there are %d pods", len(pods))
	}
	for _, pod := range pods {
		if len(pod.Spec.InitContainers) != 1 || pod.Spec.InitContainers[0].Name != "fluid-fuse-0" {
			t.Errorf("pod %s has the init containers %+v", pod.Name, pod.Spec.InitContainers)
		}
		c.reads(t, pod.Name, "/data/"+dataFile)
	}
	nodeHas(t, 3, c.namespace)
	kubectl(t, "scale deployment/reader --replicas=1 -n "+c.namespace)
	kubectl(t, "rollout status deployment/reader --timeout=60s -n "+c.namespace)
	harness.Eventually(t, time.Minute, func() error {
		if pods = c.pods(t); len(pods) != 1 {
			return fmt.Errorf("there are still %d pods", len(pods))
		}
		return nil
	})
	nodeHas(t, 1, c.namespace)
	c.reads(t, pods[0].Name, "/data/"+dataFile)
}

// TestJobCompletes: the sidecar doesn't keep a Job from completing, and its mount goes with the app, not with the pod.
func TestJobCompletes(t *testing.T) {
	c := newConsumer(t, "job", "default/phy")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	spec.RestartPolicy = corev1.RestartPolicyNever
	spec.Containers[0].Command = []string{"cat", "/data/" + dataFile}
	c.create(t, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Spec: batchv1.JobSpec{
		BackoffLimit: new(int32(0)), Template: template(spec)}})
	kubectl(t, "wait job/reader --for=condition=Complete --timeout=120s -n "+c.namespace)
	pods := c.pods(t)
	if len(pods) != 1 || pods[0].Status.Phase != corev1.PodSucceeded {
		t.Fatalf("the pods are %+v", pods)
	}
	if text := kubectl(t, "logs job/reader -c app -n "+c.namespace); text != dataText {
		t.Errorf("the Job read %q", text)
	}
	nodeHas(t, 0, c.namespace)
}

// TestStatefulSet: the pods are injected one after the other, and one that is deleted comes back with its data.
func TestStatefulSet(t *testing.T) {
	c := newConsumer(t, "stateful", "default/phy")
	defer c.leavesNothing(t)
	c.create(t, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Spec: appsv1.StatefulSetSpec{
		Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "reader"}},
		Template: template(readerSpec("refdemo")),
	}})
	kubectl(t, "rollout status statefulset/reader --timeout=120s -n "+c.namespace)
	nodeHas(t, 2, c.namespace)
	kubectl(t, "delete pod/reader-0 --timeout=60s -n "+c.namespace)
	kubectl(t, "rollout status statefulset/reader --timeout=120s -n "+c.namespace)
	for _, name := range []string{"reader-0", "reader-1"} {
		c.reads(t, name, "/data/"+dataFile)
	}
	nodeHas(t, 2, c.namespace)
}

// TestPodWithGeneratedName: the webhook sees no name, and needs none.
func TestPodWithGeneratedName(t *testing.T) {
	c := newConsumer(t, "generated", "default/phy")
	defer c.leavesNothing(t)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "reader-", Labels: injected()}, Spec: readerSpec("refdemo")}
	c.create(t, pod)
	if !strings.HasPrefix(pod.Name, "reader-") || len(pod.Spec.InitContainers) != 1 {
		t.Fatalf("the pod is %+v", pod)
	}
	kubectl(t, "wait pod/"+pod.Name+" --for=condition=Ready --timeout=120s -n "+c.namespace)
	c.reads(t, pod.Name, "/data/"+dataFile)
}
