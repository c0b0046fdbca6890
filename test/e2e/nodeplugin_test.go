package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// The tests here disturb all pods of the node, or count all that it has. So they don't run beside others.

const pluginRollout = "rollout status daemonset/kubectl-fluid-node -n kubectl-fluid-node --timeout=60s"

// watchingSpec is a pod that reads all the time and says how that went.
func watchingSpec() corev1.PodSpec {
	spec := restrictedSpec("refdemo")
	spec.Containers[0].Command = []string{"sh", "-c", `trap "exit 0" TERM
while :; do if text=$(cat /data/` + dataFile + ` 2>&1); then echo "read $text"; else echo "failed $text"; fi; sleep 0.02; done`}
	return spec
}

// readsOn waits until a pod has read some more, and fails the test for each read that has failed.
func (c *consumer) readsOn(t *testing.T, pod string) {
	t.Helper()
	var log string
	before := strings.Count(kubectl(t, "logs "+pod+" -c app -n "+c.namespace), "read ")
	harness.Eventually(t, time.Minute, func() error {
		if log = kubectl(t, "logs "+pod+" -c app -n "+c.namespace); strings.Count(log, "read ") < before+20 {
			return errors.New("it doesn't read on")
		}
		return nil
	})
	for line := range strings.Lines(log) {
		if line != "read "+dataText {
			t.Errorf("pod %s printed %q", pod, line)
		}
	}
	t.Logf("pod %s has read %d times", pod, strings.Count(log, "read "))
}

// TestNodePluginIsReplacedWhilePodsRead: no read fails. A FUSE client that is killed at that time is back with its data.
func TestNodePluginIsReplacedWhilePodsRead(t *testing.T) {
	c := newServedConsumer(t, "replaced", "default/phy")
	defer c.leavesNoVolume(t, 15*time.Second)
	c.run(t, "watcher", watchingSpec())
	c.run(t, "killed", restrictedSpec("refdemo"))
	for range 2 {
		kubectl(t, "delete pods -n kubectl-fluid-node --all --wait=false")
		if shared.selfHealing {
			restarts := sidecarStatus(get(t, c.namespace, "killed", &corev1.Pod{})).RestartCount
			start := time.Now()
			c.killClient(t, "killed")
			harness.Eventually(t, time.Minute, func() error {
				if status := sidecarStatus(get(t, c.namespace, "killed", &corev1.Pod{})); status.RestartCount == restarts {
					return fmt.Errorf("the sidecar is %+v", status)
				}
				return c.readsNow(t, "killed", "/data/"+dataFile)
			})
			t.Logf("the data was back after %s", time.Since(start).Round(100*time.Millisecond))
		}
		kubectl(t, pluginRollout)
		c.readsOn(t, "watcher")
	}
}

// TestKubeletIsRestartedWhilePodsStartAndRead: pods that run read on and stay as they are, those that start become ready, and
// all end.
func TestKubeletIsRestartedWhilePodsStartAndRead(t *testing.T) {
	c := newServedConsumer(t, "kubelet", "default/phy")
	defer c.leavesNoVolume(t, 20*time.Second)
	before := c.run(t, "watcher", watchingSpec())
	names := c.createSeveral(t, "starting", 3)
	if err := shared.Cluster.KillAndStart(t.Context(), "kubelet"); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		kubectl(t, "wait pod/"+name+" --for=condition=Ready --timeout=120s -n "+c.namespace)
		c.reads(t, name, "/data/"+dataFile)
	}
	c.readsOn(t, "watcher")
	after := get(t, c.namespace, "watcher", &corev1.Pod{})
	if after.UID != before.UID || after.Status.ContainerStatuses[0].RestartCount+sidecarStatus(after).RestartCount > 0 {
		t.Errorf("the pod that ran is %+v", after.Status)
	}
}

// createSeveral creates pods that read, and returns their names.
func (c *consumer) createSeveral(t *testing.T, prefix string, number int) []string {
	t.Helper()
	var names []string
	for i := range number {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", prefix, i), Labels: injected()}, Spec: restrictedSpec("refdemo")}
		c.create(t, pod)
		names = append(names, pod.Name)
	}
	return names
}

// burden is what the node plugin's pods cost the node: mounts of the node, and mounts and descriptors of the plugin.
type burden struct{ node, mounts, descriptors int }

func measureBurden(t *testing.T) burden {
	t.Helper()
	table, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	process := pluginProcess(t)
	own, err := os.ReadFile(process + "/mounts")
	if err != nil {
		t.Fatal(err)
	}
	descriptors, err := os.ReadDir(process + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return burden{len(shared.volumesOnNode(string(table))), strings.Count(string(own), "kubectl-fluid"), len(descriptors)}
}

// pluginProcess is the directory in /proc of the node plugin's process on this cluster's node, which is this machine.
func pluginProcess(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	want := []byte("/node\x00--kubelet-directory=" + shared.Cluster.KubeletDirectory() + "\x00")
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && bytes.HasPrefix(line, want) {
			return filepath.Dir(file)
		}
	}
	t.Fatal("the node plugin has no process")
	return ""
}

// unburdened waits until the node has no more of the node plugin's than it had before.
func unburdened(t *testing.T, before burden) {
	t.Helper()
	harness.Eventually(t, 30*time.Second, func() error {
		if now := measureBurden(t); now.node > before.node || now.mounts > before.mounts || now.descriptors > before.descriptors {
			return fmt.Errorf("the node plugin had %+v, and has %+v", before, now)
		}
		return nil
	})
}

// TestTenPodsAtOnceLeaveNothing: they are ready with their data, and once they are gone the node has no mount and the node
// plugin no descriptor more than before.
func TestTenPodsAtOnceLeaveNothing(t *testing.T) {
	c := newServedConsumer(t, "ten", "default/phy")
	// The plugin opens some of its own when it first serves.
	c.run(t, "first", restrictedSpec("refdemo"))
	c.leavesNoVolume(t, 15*time.Second)
	before := measureBurden(t)
	start := time.Now()
	names := c.createSeveral(t, "reader", 10)
	kubectl(t, "wait pods --all --for=condition=Ready --timeout=180s -n "+c.namespace)
	t.Logf("ten pods were ready after %s, with %+v", time.Since(start).Round(100*time.Millisecond), measureBurden(t))
	for _, name := range names {
		c.reads(t, name, "/data/"+dataFile)
	}
	start = time.Now()
	c.leavesNoVolume(t, time.Minute)
	t.Logf("they were gone after %s", time.Since(start).Round(100*time.Millisecond))
	unburdened(t, before)
	t.Logf("the node plugin had %+v, and has %+v", before, measureBurden(t))
}

// flood asks for mounts and never serves them, and asks whether they are there, as fast as it can.
const flood = `
ask() { while :; do _FUSE_COMMFD=1 /run/kubectl-fluid/broker/fusermount3 -- /tmp; done >/dev/null 2>&1; }
wait_often() { while :; do for i in 1 2 3 4 5 6 7 8; do /run/kubectl-fluid/broker/fluid-fuse wait --timeout 1s & done; wait; done >/dev/null 2>&1; }
ask & ask & wait_often & wait`

// TestClientThatFloodsTheSocket disturbs nobody: another pod starts and ends meanwhile. Its own pod ends in time, and leaves
// nothing.
func TestClientThatFloodsTheSocket(t *testing.T) {
	c := newServedConsumer(t, "flood", "default/phy")
	before := measureBurden(t)
	c.makeOwn(t, "kubectl-fluid/rclone-fuse", flood)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "flood", Labels: injected()}, Spec: restrictedSpec("own")}
	c.create(t, pod)
	c.sidecarRuns(t, "flood")
	time.Sleep(3 * time.Second)
	t.Logf("while the client floods, the node plugin has %+v", measureBurden(t))
	c.run(t, "reader", restrictedSpec("refdemo"))
	c.reads(t, "reader", "/data/"+dataFile)
	kubectl(t, "delete pod/reader --timeout=30s -n "+c.namespace)
	c.leavesNoVolume(t, hookTime+10*time.Second)
	unburdened(t, before)
}
