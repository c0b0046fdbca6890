package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// killClient ends a pod's FUSE client as the kernel does when memory runs out.
func (c *consumer) killClient(t *testing.T, pod string) {
	t.Helper()
	if _, err := c.exec(t, pod, "fluid-fuse-0", "kill -9 $(pidof rclone)"); err != nil {
		t.Fatal(err)
	}
}

// restarted waits until a pod's sidecar was started again a number of times, and is ready.
func (c *consumer) restarted(t *testing.T, pod string, times int32) {
	t.Helper()
	harness.Eventually(t, 2*time.Minute, func() error {
		if status := sidecarStatus(get(t, c.namespace, pod, &corev1.Pod{})); status.RestartCount != times || !status.Ready {
			return fmt.Errorf("the sidecar is %+v", status)
		}
		return nil
	})
}

// TestDataComesBackAfterTwentyKills: each time that the FUSE client is killed the app has its data back, in the same pod.
func TestDataComesBackAfterTwentyKills(t *testing.T) {
	if !shared.selfHealing {
		t.Skip("before Kubernetes 1.36 the app isn't restarted with its sidecar")
	}
	c := newConsumer(t, "kills", "default/phy")
	defer c.leavesNothing(t)
	before := c.run(t, "reader", readerSpec("refdemo"))
	var took []time.Duration
	for kills := int32(1); kills <= 20; kills++ {
		start := time.Now()
		c.killClient(t, "reader")
		harness.Eventually(t, 2*time.Minute, func() error {
			if status := sidecarStatus(get(t, c.namespace, "reader", &corev1.Pod{})); status.RestartCount < kills {
				return fmt.Errorf("after kill %d the sidecar is %+v", kills, status)
			}
			return c.readsNow(t, "reader", "/data/"+dataFile)
		})
		took = append(took, time.Since(start).Round(100*time.Millisecond))
		nodeHas(t, 1, c.namespace)
	}
	slices.Sort(took)
	t.Logf("the app read again after %s at the least, %s in the middle, %s at the most", took[0], took[len(took)/2], took[len(took)-1])
	after := get(t, c.namespace, "reader", &corev1.Pod{})
	if after.UID != before.UID {
		t.Error("it is another pod")
	}
	if status := sidecarStatus(after); status.RestartCount != 20 || after.Status.ContainerStatuses[0].RestartCount != 20 {
		t.Errorf("the sidecar is %+v and the app %+v", status, after.Status.ContainerStatuses[0])
	}
}

// TestDataComesBackAfterTheWholeSidecarWasKilled: with its first process a container loses all others, so nobody takes the
// mount off before the next one starts, and that does.
func TestDataComesBackAfterTheWholeSidecarWasKilled(t *testing.T) {
	if !shared.selfHealing {
		t.Skip("before Kubernetes 1.36 the app isn't restarted with its sidecar")
	}
	c := newConsumer(t, "wholekills", "default/phy")
	defer c.leavesNothing(t)
	c.run(t, "reader", readerSpec("refdemo"))
	for kills := int32(1); kills <= 5; kills++ {
		if err := syscall.Kill(c.sidecarProcess(t), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t, 2*time.Minute, func() error {
			if status := sidecarStatus(get(t, c.namespace, "reader", &corev1.Pod{})); status.RestartCount < kills || !status.Ready {
				return fmt.Errorf("after kill %d the sidecar is %+v", kills, status)
			}
			return c.readsNow(t, "reader", "/data/"+dataFile)
		})
		nodeHas(t, 1, c.namespace)
	}
}

// TestAppKeepsADeadMountBeforeRestartRules: without the restart rule the sidecar alone comes back. The app sees a dead
// mount, which is an error and not missing data, until its own container starts again.
func TestAppKeepsADeadMountBeforeRestartRules(t *testing.T) {
	if shared.selfHealing {
		t.Skip("from Kubernetes 1.36 on the app is restarted with its sidecar")
	}
	c := newConsumer(t, "deadmount", "default/phy")
	defer c.leavesNothing(t)
	c.run(t, "reader", readerSpec("refdemo"))
	c.killClient(t, "reader")
	c.restarted(t, "reader", 1)
	if err := c.readsNow(t, "reader", "/data/"+dataFile); err == nil || !strings.Contains(err.Error(), "Transport endpoint is not connected") {
		t.Errorf("the app reads with %v", err)
	}
	nodeHas(t, 1, c.namespace)
	_, _ = c.exec(t, "reader", "app", "kill 1") // The command may end with its container.
	harness.Eventually(t, time.Minute, func() error {
		if status := get(t, c.namespace, "reader", &corev1.Pod{}).Status.ContainerStatuses[0]; status.RestartCount != 1 {
			return fmt.Errorf("the app is %+v", status)
		}
		return c.readsNow(t, "reader", "/data/"+dataFile)
	})
	nodeHas(t, 1, c.namespace)
}

// TestPodDeletedRightAfterItsClientWasKilled: the dead mount doesn't keep the pod from ending, nor stay on the node. Before
// Kubernetes 1.36 an empty directory may: a sidecar that isn't told to end leaves it to the next one.
func TestPodDeletedRightAfterItsClientWasKilled(t *testing.T) {
	c := newConsumer(t, "deadclient", "default/phy")
	defer c.leavesNothing(t)
	c.run(t, "reader", readerSpec("refdemo"))
	c.killClient(t, "reader")
	kubectl(t, "delete pod/reader --timeout=60s -n "+c.namespace)
	if !shared.selfHealing {
		c.removeEmptyDirectory(t)
	}
}

// removeEmptyDirectory removes what a pod leaves on the node that ends while its sidecar waits to be started again: nobody
// was told to end then. It fails if there is more, or anything in it.
func (c *consumer) removeEmptyDirectory(t *testing.T) {
	t.Helper()
	mounts, directories, err := shared.onNode(c.namespace)
	if err != nil || len(mounts) > 0 || len(directories) > 1 {
		t.Errorf("the node has the FUSE mounts %q and the directories %q (%v)", mounts, directories, err)
	}
	for _, directory := range directories {
		t.Logf("the empty directory %s stays", directory)
		inner, _ := filepath.Glob(directory + "/*") // The pattern is well-formed.
		for _, directory := range append(inner, directory) {
			if err := os.Remove(directory); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestPodEndsAlthoughItsWholeSidecarWasKilled: where nothing of the sidecar is left, and it isn't started again, nobody can
// take the mount off. It is dead, and doesn't keep the pod from ending; the node's administrator unmounts it.
func TestPodEndsAlthoughItsWholeSidecarWasKilled(t *testing.T) {
	c := newConsumer(t, "deadsidecar", "default/phy")
	defer c.leavesNothing(t)
	c.run(t, "reader", readerSpec("refdemo"))
	if err := syscall.Kill(c.sidecarProcess(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "delete pod/reader --timeout=60s -n "+c.namespace)
	mounts, directories, err := shared.onNode(c.namespace)
	if err != nil || len(mounts) > 1 || len(directories) > 1 {
		t.Fatalf("the node has the FUSE mounts %q and the directories %q (%v)", mounts, directories, err)
	}
	t.Logf("the node still has the FUSE mounts %q", mounts)
	for _, mount := range mounts {
		at := strings.Fields(mount)[1]
		if _, err := os.Stat(at); !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("%s isn't dead: %v", at, err)
		}
		if err := syscall.Unmount(at, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
		if err := errors.Join(os.Remove(at), os.Remove(filepath.Dir(at))); err != nil {
			t.Error(err)
		}
	}
}

// crashingDataset has a FUSE client that is killed before it has mounted anything.
const crashingDataset = `
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntimeProfile
metadata: {name: NAME}
spec:
  fileSystemType: rclone
  fuse: {image: kubectl-fluid/rclone-fuse, imageTag: latest, imagePullPolicy: IfNotPresent, command: [sh, -c, "kill -9 $$$$"]}
---
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: crashing}
spec: {mounts: [{mountPoint: "http://origin.default.svc.cluster.local/apache/", name: everything}]}
---
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntime
metadata: {name: crashing}
spec: {profileName: NAME}
`

// TestClientThatCrashesAtTheStartGetsBackOff: the restart rule, which has none, is for clients that had mounted.
func TestClientThatCrashesAtTheStartGetsBackOff(t *testing.T) {
	c := newConsumer(t, "crashing", "default/phy")
	defer c.leavesNothing(t)
	c.apply(t, strings.ReplaceAll(crashingDataset, "NAME", c.namespace))
	kubectl(t, "wait dataset/crashing --for=jsonpath={.status.phase}=Bound --timeout=60s -n "+c.namespace)
	c.create(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "reader", Labels: injected()}, Spec: readerSpec("crashing")})
	harness.Eventually(t, time.Minute, func() error {
		status := sidecarStatus(get(t, c.namespace, "reader", &corev1.Pod{}))
		if status.State.Waiting == nil || status.State.Waiting.Reason != "CrashLoopBackOff" {
			return fmt.Errorf("the sidecar is %+v", status)
		}
		return nil
	})
	if log := kubectl(t, "logs reader -c fluid-fuse-0 -n "+c.namespace); shared.selfHealing && !strings.Contains(log, "the FUSE client ended with 137 and had not mounted") {
		t.Errorf("the sidecar printed %s", log)
	}
	kubectl(t, "delete pod/reader --timeout=60s -n "+c.namespace)
	c.removeEmptyDirectory(t)
}

// sidecarProcess returns the number, on this machine, of the first process of the namespace's only sidecar: the one that
// got the pod's directory as an argument.
func (c *consumer) sidecarProcess(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(line, []byte("\x00"+c.namespace+"-")) {
			continue // It has ended, or is another.
		}
		number, err := strconv.Atoi(strings.Split(file, "/")[2])
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	t.Fatal("there is no process of the sidecar")
	return 0
}
