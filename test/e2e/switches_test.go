package e2e

import (
	"maps"
	"os"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
)

// runWith creates a pod with more labels and annotations, and waits until it is Ready.
func (c *consumer) runWith(t *testing.T, name string, labels, annotations map[string]string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: injected(), Annotations: annotations}, Spec: readerSpec("refdemo")}
	maps.Copy(pod.Labels, labels)
	c.create(t, pod)
	kubectl(t, "wait pod/"+name+" --for=condition=Ready --timeout=120s -n "+c.namespace)
	return get(t, c.namespace, name, pod)
}

// TestAFixedDirectoryIsWhereFluidsOwnClientsMount, and no mount stays there.
func TestAFixedDirectoryIsWhereFluidsOwnClientsMount(t *testing.T) {
	c := newConsumer(t, "fixed", "default/phy")
	at := shared.Cluster.MountRoot() + "/thin/default/phy/thin-fuse"
	mounted := func() int {
		table, err := os.ReadFile("/proc/mounts")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(table), " "+at+" ")
	}
	pod := c.runWith(t, "reader", nil, map[string]string{inject.AnnotationDirectoryMode: "fixed"})
	if path := pod.Spec.Volumes[0].HostPath.Path; path != at || mounted() != 1 {
		t.Errorf("the data is at %s; there are %d mounts at %s", path, mounted(), at)
	}
	c.reads(t, "reader", "/data/"+dataFile)
	kubectl(t, "delete pod/reader --timeout=60s -n "+c.namespace)
	if mounted() != 0 {
		t.Errorf("there are still %d mounts at %s", mounted(), at)
	}
	// The directory stays, empty: it isn't the pod's own.
	if err := os.Remove(at); err != nil {
		t.Error(err)
	}
}

// TestTheAppsOwnMountCheckFindsTheMount as it is in the app's container, where its type and place are its own.
func TestTheAppsOwnMountCheckFindsTheMount(t *testing.T) {
	c := newConsumer(t, "appcheck", "default/phy/spark")
	defer c.leavesNothing(t)
	pod := c.runWith(t, "reader", map[string]string{inject.LabelAppMountCheck: "true"}, nil)
	if hook := pod.Spec.Containers[0].Lifecycle; hook == nil || hook.PostStart == nil {
		t.Errorf("the app has no hook: %+v", hook)
	}
	c.reads(t, "reader", "/data/README.md")
}
