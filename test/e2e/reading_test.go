package e2e

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// TestInitContainerReadsTheData: the sidecar comes before the app's own init containers.
func TestInitContainerReadsTheData(t *testing.T) {
	c := newConsumer(t, "init", "default/phy")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	copied := corev1.VolumeMount{Name: "copy", MountPath: "/copy"}
	spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "copy", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, copied)
	spec.InitContainers = []corev1.Container{{
		Name: "read", Image: "nginx", ImagePullPolicy: corev1.PullIfNotPresent,
		Command:      []string{"cp", "/data/" + dataFile, "/copy/"},
		VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}, copied},
	}}
	pod := c.run(t, "reader", spec)
	if pod.Spec.InitContainers[0].Name != "fluid-fuse-0" || pod.Status.InitContainerStatuses[1].RestartCount != 0 {
		t.Errorf("the init containers are %+v", pod.Status.InitContainerStatuses)
	}
	c.reads(t, "reader", "/copy/README.md")
	c.reads(t, "reader", "/data/"+dataFile)
}

// TestTwoDatasetsInOnePod: each has its own sidecar, mount and place in the app.
func TestTwoDatasetsInOnePod(t *testing.T) {
	c := newConsumer(t, "two", "default/phy")
	defer c.leavesNothing(t)
	c.apply(t, strings.ReplaceAll(otherDataset, "NAME", "apache"))
	kubectl(t, "wait dataset/apache --for=jsonpath={.status.phase}=Bound --timeout=60s -n "+c.namespace)
	spec := readerSpec("refdemo")
	spec.Volumes = append(spec.Volumes, claimVolume("other", "apache"))
	spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "other", MountPath: "/other"})
	pod := c.run(t, "reader", spec)
	if len(pod.Spec.InitContainers) != 2 || pod.Spec.InitContainers[0].Name != "fluid-fuse-0" || pod.Spec.InitContainers[1].Name != "fluid-fuse-1" {
		t.Errorf("the init containers are %+v", pod.Spec.InitContainers)
	}
	c.reads(t, "reader", "/data/spark/README.md")
	c.reads(t, "reader", "/other/everything/spark/README.md")
	nodeHas(t, 2, c.namespace)
}

// otherDataset is a physical Dataset that shows more of the walk-through's remote data.
const otherDataset = `
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: NAME}
spec: {mounts: [{mountPoint: "http://origin.default.svc.cluster.local/apache/", name: everything}]}
---
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntime
metadata: {name: NAME}
spec: {profileName: rclone}
`

func (c *consumer) apply(t *testing.T, manifest string) {
	t.Helper()
	if _, err := shared.Output(t.Context(), manifest, "kubectl", "apply", "-n", c.namespace, "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// TestSubPathShowsItsPartOnly: what the reference leads to is all that the app sees.
func TestSubPathShowsItsPartOnly(t *testing.T) {
	c := newConsumer(t, "subpath", "default/phy/spark")
	defer c.leavesNothing(t)
	c.run(t, "reader", readerSpec("refdemo"))
	c.reads(t, "reader", "/data/README.md")
	if listing, err := c.exec(t, "reader", "app", "ls -a /data /data/.."); err != nil || strings.Contains(listing, "spark") {
		t.Errorf("the app sees %q, %v", listing, err)
	}
	c.comesBack(t, "reader", "/data/README.md")
}

// TestPartOfAVolumeIsRead by a container whose mount has a subPath, from the start, and again after the client was killed.
func TestPartOfAVolumeIsRead(t *testing.T) {
	c := newConsumer(t, "part", "default/phy")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	spec.Containers[0].VolumeMounts[0].SubPath = "spark"
	c.run(t, "reader", spec)
	c.reads(t, "reader", "/data/README.md")
	if shared.partsHeal {
		c.comesBack(t, "reader", "/data/README.md")
	}
}

// comesBack kills a pod's FUSE client, and waits until the app reads a file again, where that heals.
func (c *consumer) comesBack(t *testing.T, pod, file string) {
	t.Helper()
	if !shared.selfHealing {
		return
	}
	c.killClient(t, pod)
	c.restarted(t, pod, 1)
	harness.Eventually(t, time.Minute, func() error { return c.readsNow(t, pod, file) })
	nodeHas(t, 1, c.namespace)
}

// TestTheDataIsThereUntilTheAppHasEnded: an app that takes its time when it is told to end still reads, and only then is
// the mount taken off.
func TestTheDataIsThereUntilTheAppHasEnded(t *testing.T) {
	c := newConsumer(t, "ending", "default/phy")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	spec.TerminationGracePeriodSeconds = new(int64(60))
	spec.Containers[0].Command[2] = `trap "touch /told; while [ ! -e /read ]; do sleep 0.1; done; exit 0" TERM; sleep 3600 & wait`
	c.run(t, "reader", spec)
	kubectl(t, "delete pod/reader --wait=false -n "+c.namespace)
	const read = `while [ ! -e /told ]; do sleep 0.1; done; sleep 2; cat /data/` + dataFile + `; touch /read`
	if text, err := c.exec(t, "reader", "app", read); text != dataText {
		t.Errorf("the app that was told to end reads %q, %v", text, err)
	}
}

// TestTwoPartsOfOneDatasetInOnePod: two references to different directories of one Dataset have volumes with one handle,
// which a CSI driver would take for one; each sidecar has a mount of its own.
func TestTwoPartsOfOneDatasetInOnePod(t *testing.T) {
	c := newConsumer(t, "parts", "default/phy/spark")
	defer c.leavesNothing(t)
	c.refer(t, "whole", "default/phy")
	spec := readerSpec("refdemo")
	spec.Volumes = append(spec.Volumes, claimVolume("whole", "whole"))
	spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "whole", MountPath: "/whole"})
	c.run(t, "reader", spec)
	c.reads(t, "reader", "/data/README.md")
	c.reads(t, "reader", "/whole/spark/README.md")
	nodeHas(t, 2, c.namespace)
}

// TestNonRootPodReadsTheData: the pod demands runAsNonRoot and another user of all its containers; the sidecar, which
// mounts, is exempt, and the app isn't.
func TestNonRootPodReadsTheData(t *testing.T) {
	c := newConsumer(t, "nonroot", "default/phy")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(1000)), RunAsGroup: new(int64(1000)), FSGroup: new(int64(1000))}
	c.run(t, "reader", spec)
	c.reads(t, "reader", "/data/"+dataFile)
	if user, err := c.exec(t, "reader", "app", "id -u"); err != nil || user != "1000\n" {
		t.Errorf("the app is the user %q, %v", user, err)
	}
}

// writableDataset is a physical Dataset of a directory of the sidecar's own.
const writableDataset = `
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: writable}
spec: {accessModes: [ReadWriteMany], mounts: [{mountPoint: "local:///srv", name: files, options: {type: local}}]}
---
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntime
metadata: {name: writable}
spec: {profileName: rclone}
`

// TestReadOnlyVolumeStaysReadOnly: of two volumes of the same claim the one that is readOnly can't be written, though the
// Dataset can.
func TestReadOnlyVolumeStaysReadOnly(t *testing.T) {
	c := newConsumer(t, "readonly", "default/phy")
	defer c.leavesNothing(t)
	c.apply(t, writableDataset)
	kubectl(t, "wait dataset/writable --for=jsonpath={.status.phase}=Bound --timeout=60s -n "+c.namespace)
	spec := readerSpec("writable")
	readOnly := claimVolume("kept", "writable")
	readOnly.PersistentVolumeClaim.ReadOnly = true
	spec.Volumes = append(spec.Volumes, readOnly)
	spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "kept", MountPath: "/kept"})
	c.run(t, "reader", spec)
	if _, err := c.exec(t, "reader", "app", "mkdir -p /data/files && echo text > /data/files/file"); err != nil {
		t.Fatal(err)
	}
	if text, err := c.exec(t, "reader", "app", "cat /kept/files/file"); err != nil || text != "text\n" {
		t.Errorf("the volume that is readOnly shows %q, %v", text, err)
	}
	if _, err := c.exec(t, "reader", "app", "echo other > /kept/files/file"); err == nil || !strings.Contains(err.Error(), "Read-only file system") {
		t.Errorf("writing to the volume that is readOnly: %v", err)
	}
	nodeHas(t, 1, c.namespace)
}
