package installation

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

// pod returns the walk-through's pod under another name.
func pod(name string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata:
  name: %s
  namespace: ref
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
    persistentVolumeClaim: {claimName: refdemo}
`, name)
}

// restartUnderLoad restarts the Deployment while clients create pods all the time. Each must be admitted with its
// sidecar. They are created as a dry run, which goes through the same admission: the node has no room for them all.
func restartUnderLoad(t *testing.T) {
	config, err := live.Cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var created atomic.Int64
	var workers sync.WaitGroup
	failures := make(chan error, 100)
	for worker := range 4 {
		workers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := createPod(client, fmt.Sprintf("load-%d-%d", worker, i)); err != nil {
					select {
					case failures <- err:
					default:
					}
				}
				created.Add(1)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	before := replicas(t)
	documented(t, walkthrough.Restart()...)
	// The old replicas are on their way out for a while after the rollout is done.
	eventually(t, 90*time.Second, func() error {
		if after := replicas(t); len(after) != len(before) {
			return fmt.Errorf("there are %d replicas", len(after))
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	stop()
	workers.Wait()
	close(failures)
	for name := range replicas(t) {
		if before[name] {
			t.Errorf("the replica %s wasn't replaced", name)
		}
	}
	for err := range failures {
		t.Error(err)
	}
	t.Logf("%d pods were created during the restart", created.Load())
	if created.Load() < 100 {
		t.Errorf("only %d pods were created: that is no load", created.Load())
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

// createPod creates a pod that must get its sidecar.
func createPod(client kubernetes.Interface, name string) error {
	var object corev1.Pod
	if err := yaml.Unmarshal([]byte(pod(name)), &object); err != nil {
		return err
	}
	// A call that has begun ends: it isn't the load's end that makes it fail.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	created, err := client.CoreV1().Pods(object.Namespace).Create(ctx, &object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return fmt.Errorf("creating the pod %s: %w", name, err)
	}
	if len(created.Spec.InitContainers) != 1 {
		return fmt.Errorf("the pod %s has %d init containers", name, len(created.Spec.InitContainers))
	}
	return nil
}
