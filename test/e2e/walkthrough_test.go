package e2e

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	nodevolume "github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

// TestWalkThrough goes the documented way, looks at everything that it made, kills the FUSE client, and takes
// everything away again.
func TestWalkThrough(t *testing.T) {
	for _, step := range shared.Prepare()[1:] {
		if _, err := shared.Run(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("the reference is Bound and mirrors the physical status", referenceIsBound)
	t.Run("volume and claim are as Fluid's CSI consumers expect", volumeAndClaim)
	t.Run("the FUSE configuration is mirrored under a name of its own", mirrorHasOwnName)
	t.Run("the pod has the sidecar", podHasSidecar)
	t.Run("kubectl exec prints spark", execPrintsSpark)
	t.Run("the app has the FUSE mount", mountsAreThere)
	t.Run("there is no FUSE pod beside the sidecar", noFusePod)
	t.Run("a killed FUSE client heals without deleting the pod", killedClientHeals)
	t.Run("a reference in use isn't taken away under its pod", referenceInUseStays)
	t.Run("deleting pod and reference leaves nothing", nothingIsLeft)
}

func referenceIsBound(t *testing.T) {
	ref := get(t, "ref", "refdemo", &datav1alpha1.Dataset{})
	phy := get(t, "default", "phy", &datav1alpha1.Dataset{})
	if ref.Status.Phase != datav1alpha1.BoundPhase || phy.Status.Phase != datav1alpha1.BoundPhase {
		t.Errorf("phases: %q and %q", ref.Status.Phase, phy.Status.Phase)
	}
	if !slices.Contains(phy.Status.DatasetRef, "ref/refdemo") {
		t.Errorf("phy knows the references %q", phy.Status.DatasetRef)
	}
	if len(ref.Status.DatasetRef) != 0 || ref.Status.Mounts[0].MountPoint != phy.Spec.Mounts[0].MountPoint {
		t.Errorf("refdemo's status is %+v", ref.Status)
	}
	own := datav1alpha1.Runtime{Name: "refdemo", Namespace: "ref", Category: "Accelerate", Type: "thin"}
	if !slices.Equal(ref.Status.Runtimes, []datav1alpha1.Runtime{own}) {
		t.Errorf("refdemo's runtimes are %+v", ref.Status.Runtimes)
	}
	thin := get(t, "ref", "refdemo", &datav1alpha1.ThinRuntime{})
	if thin.Spec.ProfileName != "" || !reference.Owns(ref, thin) || thin.Status.FusePhase != datav1alpha1.RuntimePhaseReady ||
		thin.Status.Mounts[0].MountPoint != "dataset://default/phy" {
		t.Errorf("the ThinRuntime is %+v", thin)
	}
}

func volumeAndClaim(t *testing.T) {
	claim := get(t, "ref", "refdemo", &corev1.PersistentVolumeClaim{})
	volume := get(t, "", "ref-refdemo", &corev1.PersistentVolume{})
	physical := get(t, "", "default-phy", &corev1.PersistentVolume{})
	if claim.Spec.VolumeName != volume.Name || claim.Labels["fluid.io/s-ref-refdemo"] != "true" ||
		claim.Labels["fluid.io/dataset.referring-name"] != "phy" || claim.Labels["fluid.io/dataset.referring-namespace"] != "default" {
		t.Errorf("the claim is %+v", claim)
	}
	if *claim.Spec.StorageClassName != "fluid" || !slices.Equal(claim.Spec.AccessModes, []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}) {
		t.Errorf("the claim's spec is %+v", claim.Spec)
	}
	for key, value := range physical.Spec.CSI.VolumeAttributes {
		if volume.Spec.CSI.VolumeAttributes[key] != value {
			t.Errorf("attribute %s is %q, that of the physical volume %q", key, volume.Spec.CSI.VolumeAttributes[key], value)
		}
	}
	if volume.Spec.CSI.Driver != "fuse.csi.fluid.io" || volume.Spec.CSI.VolumeHandle != "default-phy" || volume.Annotations["CreatedBy"] != "fluid" {
		t.Errorf("the volume is %+v", volume)
	}
}

func mirrorHasOwnName(t *testing.T) {
	source := get(t, "default", "phy-fuse-conf", &corev1.ConfigMap{})
	configMaps := &corev1.ConfigMapList{}
	if err := shared.client.List(t.Context(), configMaps, client.InNamespace("ref")); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, configMap := range configMaps.Items {
		if configMap.Name == "kube-root-ca.crt" {
			continue
		}
		names = append(names, configMap.Name)
		if configMap.Data["config.json"] != source.Data["config.json"] {
			t.Errorf("ConfigMap %s has %q", configMap.Name, configMap.Data)
		}
	}
	if len(names) != 1 || !strings.HasPrefix(names[0], "refdemo-phy-fuse-conf-") {
		t.Errorf("the ConfigMaps in ref are %q", names)
	}
}

func podHasSidecar(t *testing.T) {
	pod := get(t, "ref", "nginx", &corev1.Pod{})
	if len(pod.Spec.InitContainers) != 1 || len(pod.Spec.Containers) != 1 {
		t.Fatalf("the pod has %d init containers and %d containers", len(pod.Spec.InitContainers), len(pod.Spec.Containers))
	}
	sidecar := pod.Spec.InitContainers[0]
	if sidecar.Name != "fluid-fuse-0" || *sidecar.RestartPolicy != corev1.ContainerRestartPolicyAlways || sidecar.StartupProbe != nil ||
		sidecar.Lifecycle == nil || sidecar.Lifecycle.PostStart == nil {
		t.Errorf("the sidecar is %+v", sidecar)
	}
	if pod.Labels["dataset-name.sidecar.fluid.io/fluid-fuse-0"] != "refdemo" || pod.Labels["done.sidecar.fluid.io/inject"] != "true" ||
		pod.Annotations["fluid.io/datasets-in-use"] != "refdemo" {
		t.Errorf("labels %v and annotations %v", pod.Labels, pod.Annotations)
	}
	volume := pod.Spec.Volumes[0]
	if volume.Name != "spark-vol" || volume.CSI == nil || volume.CSI.Driver != nodevolume.Driver {
		t.Errorf("the app's volume is %+v", volume)
	}
	if mount := pod.Spec.Containers[0].VolumeMounts[0]; mount.MountPropagation != nil {
		t.Errorf("the app's mount is %+v", mount)
	}
}

func execPrintsSpark(t *testing.T) {
	needNode(t)
	output, err := shared.Run(t.Context(), walkthrough.Data())
	if err != nil || output != "spark\n" {
		t.Errorf("printed %q, %v", output, err)
	}
}

func mountsAreThere(t *testing.T) {
	needNode(t)
	for container, want := range map[string]int{"nginx": 1, "fluid-fuse-0": 0} {
		if mounts := served(kubectl(t, "exec nginx -n ref -c "+container+" -- cat /proc/mounts")); len(mounts) != want {
			t.Errorf("container %s has the FUSE mounts %q", container, mounts)
		}
	}
	if text := kubectl(t, "exec nginx -c nginx -n ref -- cat /data_spark/spark/README.md"); !strings.Contains(text, "Spark") {
		t.Errorf("the file reads %q", text)
	}
}

func noFusePod(t *testing.T) {
	pods := &corev1.PodList{}
	if err := shared.client.List(t.Context(), pods); err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		if strings.Contains(pod.Name, "fuse") {
			t.Errorf("there is the pod %s/%s", pod.Namespace, pod.Name)
		}
	}
}

func killedClientHeals(t *testing.T) {
	needNode(t)
	if !shared.selfHealing {
		t.Skip("before Kubernetes 1.36 the app isn't restarted with its sidecar")
	}
	before := get(t, "ref", "nginx", &corev1.Pod{})
	start := time.Now()
	kubectl(t, "exec nginx -n ref -c fluid-fuse-0 -- sh -c", "kill -9 $(pidof rclone)")
	harness.Eventually(t, time.Minute, func() error {
		pod := get(t, "ref", "nginx", &corev1.Pod{})
		if pod.Status.InitContainerStatuses[0].RestartCount == 0 {
			return errors.New("the sidecar hasn't been restarted")
		}
		output, err := shared.Output(t.Context(), "", "kubectl", strings.Fields("exec nginx -c nginx -n ref -- ls /data_spark")...)
		if err == nil && output != "spark\n" {
			err = fmt.Errorf("ls prints %q", output)
		}
		return err
	})
	t.Logf("the app reads the data again %s after kill -9 of the FUSE client", time.Since(start).Round(100*time.Millisecond))
	if after := get(t, "ref", "nginx", &corev1.Pod{}); after.UID != before.UID {
		t.Error("it is another pod")
	}
}

func referenceInUseStays(t *testing.T) {
	kubectl(t, "delete dataset refdemo -n ref --wait=false")
	harness.Eventually(t, 10*time.Second, func() error {
		events := kubectl(t, "get events -n ref -o custom-columns=REASON:.reason,MESSAGE:.message")
		if !strings.Contains(events, "ErrorDeleteDataset") || !strings.Contains(events, "nginx") {
			return fmt.Errorf("no event says why: %s", events)
		}
		return nil
	})
	get(t, "ref", "refdemo", &corev1.PersistentVolumeClaim{})
	if shared.Node {
		if output := kubectl(t, "exec nginx -c nginx -n ref -- ls /data_spark"); output != "spark\n" {
			t.Errorf("ls prints %q", output)
		}
	}
}

func nothingIsLeft(t *testing.T) {
	kubectl(t, "delete pod nginx -n ref --timeout=60s")
	key := client.ObjectKey{Namespace: "ref", Name: "refdemo"}
	harness.Eventually(t, 30*time.Second, func() error {
		for _, object := range []client.Object{&datav1alpha1.Dataset{}, &datav1alpha1.ThinRuntime{}, &corev1.PersistentVolumeClaim{}} {
			if err := shared.client.Get(t.Context(), key, object); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%T %s is still there, or %w", object, key, err)
			}
		}
		if err := shared.client.Get(t.Context(), client.ObjectKey{Name: "ref-refdemo"}, &corev1.PersistentVolume{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the volume is still there, or %w", err)
		}
		if names := kubectl(t, "get configmaps -n ref -o name"); names != "configmap/kube-root-ca.crt\n" {
			return fmt.Errorf("there are the ConfigMaps %q", names)
		}
		if phy := get(t, "default", "phy", &datav1alpha1.Dataset{}); slices.Contains(phy.Status.DatasetRef, "ref/refdemo") {
			return fmt.Errorf("phy still knows it among %q", phy.Status.DatasetRef)
		}
		return nil
	})
}
