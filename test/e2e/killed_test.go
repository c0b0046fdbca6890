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
)

// killClient ends a pod's FUSE client as the kernel does when memory runs out.
func (c *consumer) killClient(t *testing.T, pod string) {
	t.Helper()
	if _, err := c.exec(t, pod, "fluid-fuse-0", "kill -9 $(pidof rclone)"); err != nil {
		t.Fatal(err)
	}
}

// TestDataComesBackAfterTwentyKills: each time that the FUSE client is killed the app has its data back, in the same pod.
func TestDataComesBackAfterTwentyKills(t *testing.T) {
	c := newConsumer(t, "kills", "default/phy")
	defer c.leavesNothing(t)
	if !shared.selfHealing {
		t.Skip("before Kubernetes 1.36 the app isn't restarted with its sidecar")
	}
	before := c.run(t, "reader", readerSpec("refdemo"))
	var took []time.Duration
	for kills := int32(1); kills <= 20; kills++ {
		start := time.Now()
		c.killClient(t, "reader")
		eventually(t, 2*time.Minute, func() error {
			if status := sidecarStatus(t, get(t, c.namespace, "reader", &corev1.Pod{})); status.RestartCount < kills {
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
	if status := sidecarStatus(t, after); status.RestartCount != 20 || after.Status.ContainerStatuses[0].RestartCount != 20 {
		t.Errorf("the sidecar is %+v and the app %+v", status, after.Status.ContainerStatuses[0])
	}
}

// TestPodDeletedRightAfterItsClientWasKilled: the dead mount doesn't keep the pod from ending, nor stay on the node.
func TestPodDeletedRightAfterItsClientWasKilled(t *testing.T) {
	c := newConsumer(t, "deadclient", "default/phy")
	defer c.leavesNothing(t)
	c.run(t, "reader", readerSpec("refdemo"))
	c.killClient(t, "reader")
	kubectl(t, "delete pod/reader --timeout=60s -n "+c.namespace)
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
