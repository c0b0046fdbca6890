package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// newClassicConsumer makes a consumer whose namespace has classic sidecars.
func newClassicConsumer(t *testing.T, prefix string) *consumer {
	t.Helper()
	c := newConsumer(t, prefix, "default/phy")
	kubectl(t, "annotate namespace "+c.namespace+" "+inject.AnnotationSidecarMode+"="+string(inject.ModeClassic))
	// The webhook reads the namespace from its cache.
	harness.Eventually(t, 10*time.Second, func() error {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "try-", Labels: injected()}, Spec: readerSpec("refdemo")}
		pod.Namespace = c.namespace
		if err := shared.dryRun.Create(t.Context(), pod); err != nil {
			return err
		}
		if len(pod.Spec.InitContainers) != 0 {
			return errors.New("the namespace's sidecars are still native")
		}
		return nil
	})
	return c
}

// names returns the names of containers in order.
func names(containers []corev1.Container) []string {
	var names []string
	for _, container := range containers {
		names = append(names, container.Name)
	}
	return names
}

// TestClassicSidecarIsTheFirstContainer: Fluid's documented pod, which asks for a classic sidecar itself, has the containers
// of Fluid's documentation, and the data from the start.
func TestClassicSidecarIsTheFirstContainer(t *testing.T) {
	c := newConsumer(t, "classic", "default/phy")
	defer c.leavesNothing(t)
	manifest, err := os.ReadFile("../../examples/walkthrough/nginx.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.apply(t, strings.Replace(string(manifest), "metadata:", "metadata:\n  annotations: {"+inject.AnnotationSidecarMode+": "+string(inject.ModeClassic)+"}", 1))
	kubectl(t, "wait pod/nginx --for=condition=Ready --timeout=120s -n "+c.namespace)
	pod := get(t, c.namespace, "nginx", &corev1.Pod{})
	if got := names(pod.Spec.Containers); !slices.Equal(got, []string{"fluid-fuse-0", "nginx"}) || len(pod.Spec.InitContainers) != 0 {
		t.Errorf("the containers are %q, the init containers %q", got, names(pod.Spec.InitContainers))
	}
	if ready := kubectl(t, "get pod/nginx --no-headers -n "+c.namespace); !strings.Contains(ready, " 2/2 ") {
		t.Errorf("the pod is shown as %s", ready)
	}
	if text, err := c.exec(t, "nginx", "nginx", "cat /data_spark/"+dataFile); err != nil || text != dataText {
		t.Errorf("the app reads %q, %v", text, err)
	}
	nodeHas(t, 1, c.namespace)
}

// TestClassicDeployment: a namespace's annotation is enough, and each pod reads its data.
func TestClassicDeployment(t *testing.T) {
	c := newClassicConsumer(t, "classicdeployment")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	// The app ends if the data isn't there when it starts.
	spec.Containers[0].Command[2] = "cat /data/" + dataFile + " || exit 1\n" + spec.Containers[0].Command[2]
	c.create(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Spec: appsv1.DeploymentSpec{
		Replicas: new(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "reader"}},
		Template: template(spec),
	}})
	kubectl(t, "rollout status deployment/reader --timeout=120s -n "+c.namespace)
	for _, pod := range c.pods(t) {
		if got := names(pod.Spec.Containers); !slices.Equal(got, []string{"fluid-fuse-0", "app"}) {
			t.Errorf("pod %s has the containers %q", pod.Name, got)
		}
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount != 0 {
				t.Errorf("container %s was started %d times", status.Name, status.RestartCount+1)
			}
		}
		c.reads(t, pod.Name, "/data/"+dataFile)
	}
	nodeHas(t, 2, c.namespace)
}

// TestClassicSidecarKeepsAJobFromCompleting: the warning says so, and the sidecar indeed runs on after the app.
func TestClassicSidecarKeepsAJobFromCompleting(t *testing.T) {
	c := newClassicConsumer(t, "classicjob")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	spec.RestartPolicy = corev1.RestartPolicyNever
	spec.Containers[0].Command = []string{"cat", "/data/" + dataFile}
	c.create(t, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Spec: batchv1.JobSpec{
		BackoffLimit: new(int32(0)), Template: template(spec)}})
	var pod corev1.Pod
	harness.Eventually(t, 2*time.Minute, func() error {
		pods := c.pods(t)
		if len(pods) != 1 || len(pods[0].Status.ContainerStatuses) != 2 {
			return fmt.Errorf("the pods are %+v", pods)
		}
		pod = pods[0]
		for _, status := range pod.Status.ContainerStatuses {
			if status.Name == "app" && status.State.Terminated != nil && status.State.Terminated.ExitCode == 0 {
				return nil
			}
		}
		return fmt.Errorf("the app hasn't ended well: %+v", pod.Status.ContainerStatuses)
	})
	if text := kubectl(t, "logs job/reader -c app -n "+c.namespace); text != dataText {
		t.Errorf("the Job read %q", text)
	}
	if message := kubectlError(t, "", "wait job/reader --for=condition=Complete --timeout=5s -n "+c.namespace); !strings.Contains(message, "timed out") {
		t.Errorf("waiting ended with %s", message)
	}
	if status := sidecarStatus(get(t, c.namespace, pod.Name, &pod)); status.State.Running == nil {
		t.Errorf("the sidecar is %+v", status)
	}
	nodeHas(t, 1, c.namespace)
}

// TestClassicSidecarIsRefusedWhereAnInitContainerReads: it starts after the init containers.
func TestClassicSidecarIsRefusedWhereAnInitContainerReads(t *testing.T) {
	c := newClassicConsumer(t, "classicinit")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	spec.InitContainers = spec.DeepCopy().Containers
	spec.InitContainers[0].Name = "read"
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: "reader", Labels: injected()}, Spec: spec}
	if err := shared.client.Create(t.Context(), pod); err == nil || !strings.Contains(err.Error(), string(finding.CodeInitContainerReads)) {
		t.Errorf("the pod was refused with %v", err)
	}
}

// TestClassicSidecarThatWasKilled: the data comes back where the restart rule is; elsewhere when the app starts again.
func TestClassicSidecarThatWasKilled(t *testing.T) {
	c := newClassicConsumer(t, "classickill")
	defer c.leavesNothing(t)
	c.run(t, "reader", readerSpec("refdemo"))
	for kills := int32(1); kills <= 2; kills++ {
		c.killClient(t, "reader")
		c.restarted(t, "reader", kills)
		if !shared.selfHealing {
			_, _ = c.exec(t, "reader", "app", "kill 1") // The command may end with its container.
		}
		harness.Eventually(t, time.Minute, func() error { return c.readsNow(t, "reader", "/data/"+dataFile) })
		nodeHas(t, 1, c.namespace)
	}
}
