package installation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

// pod returns the walk-through's pod under another name.
func pod(name string) string { return podOf("ref", "refdemo", name) }

// podOf returns a pod that asks for a sidecar for a claim.
func podOf(namespace, claim, name string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata:
  name: %s
  namespace: %s
  labels:
    serverless.fluid.io/inject: "true"
spec:
  containers:
  - name: nginx
    image: nginx
    volumeMounts:
    - {name: data, mountPath: /data_spark}
  volumes:
  - name: data
    persistentVolumeClaim: {claimName: %s}
`, name, namespace, claim)
}

// load is clients that create pods all the time. Each must be admitted with its sidecar. They are created as a dry run,
// which goes through the same admission: the node has no room for them all.
type load struct {
	client           kubernetes.Interface
	namespace, claim string

	end      context.CancelFunc
	workers  sync.WaitGroup
	created  atomic.Int64
	failures chan error
}

// startLoad creates pods with a claim until stop is called.
func startLoad(t *testing.T, namespace, claim string) *load {
	t.Helper()
	config, err := live.Cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	l := &load{client: client, namespace: namespace, claim: claim, end: end, failures: make(chan error, 100)}
	for worker := range 4 {
		l.workers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := l.createPod(fmt.Sprintf("load-%d-%d", worker, i)); err != nil {
					select {
					case l.failures <- err:
					default:
					}
				}
				l.created.Add(1)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	t.Cleanup(end)
	return l
}

// stop ends the load, and fails the test if the creation of a pod has failed or there was no load.
func (l *load) stop(t *testing.T) {
	t.Helper()
	l.end()
	l.workers.Wait()
	close(l.failures)
	for err := range l.failures {
		t.Error(err)
	}
	t.Logf("%d pods were created meanwhile", l.created.Load())
	if l.created.Load() < 100 {
		t.Errorf("only %d pods were created: that is no load", l.created.Load())
	}
}

// createPod creates a pod that must get its sidecar, a native one or, from Fluid's webhook, one that isn't.
func (l *load) createPod(name string) error {
	var object corev1.Pod
	if err := yaml.Unmarshal([]byte(podOf(l.namespace, l.claim, name)), &object); err != nil {
		return err
	}
	// A call that has begun ends: it isn't the load's end that makes it fail.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	created, err := l.client.CoreV1().Pods(object.Namespace).Create(ctx, &object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return fmt.Errorf("creating the pod %s: %w", name, err)
	}
	sidecars := 0
	for _, container := range slices.Concat(created.Spec.InitContainers, created.Spec.Containers) {
		if container.Name == "fluid-fuse-0" {
			sidecars++
		}
	}
	if sidecars != 1 {
		return fmt.Errorf("the pod %s has %d sidecars", name, sidecars)
	}
	return nil
}

// restartUnderLoad restarts the Deployment while pods are created.
func restartUnderLoad(t *testing.T) {
	load := startLoad(t, "ref", "refdemo")
	before := replicas(t)
	documented(t, walkthrough.Restart()...)
	// The old replicas are on their way out for a while after the rollout is done.
	harness.Eventually(t, 90*time.Second, func() error {
		if after := replicas(t); len(after) != len(before) {
			return fmt.Errorf("there are %d replicas", len(after))
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	load.stop(t)
	for name := range replicas(t) {
		if before[name] {
			t.Errorf("the replica %s wasn't replaced", name)
		}
	}
}

// replicas returns the names of the controller's pods.
func replicas(t *testing.T) map[string]bool {
	t.Helper()
	var list corev1.PodList
	text := kubectl(t, "", "get pods -n kubectl-fluid-system -l app.kubernetes.io/name=kubectl-fluid-controller -o yaml")
	if err := yaml.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, pod := range list.Items {
		names[pod.Name] = true
	}
	return names
}
