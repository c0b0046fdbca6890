package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestClaimThatFailedAtFirstIsMadeLater: a quota refuses the claim after the volume was made. The reference says so
// instead of being Bound, and when the quota is raised the claim comes, with the access modes that were asked for.
func TestClaimThatFailedAtFirstIsMadeLater(t *testing.T) {
	physical := newPhysicalOf(t, "alluxio")
	livetest.Alter(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: physical + "-phy"}}, func(volume *corev1.PersistentVolume) {
		volume.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	})
	namespace := livetest.NewNamespace(t)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-claims"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"persistentvolumeclaims": resource.MustParse("0")}}}
	livetest.Create(t, quota)
	livetest.Eventually(t, "the quota", func() string {
		if livetest.Refresh(t, quota); len(quota.Status.Hard) == 0 {
			return "it isn't in force"
		}
		return ""
	})
	startReferences(t)
	ref := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "refdemo"}}
	ref.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://" + physical + "/phy"}}
	ref.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany, corev1.ReadWriteOnce}
	livetest.Create(t, ref)
	awaitReason(t, ref, "WriteRefused")
	for _, condition := range ref.Status.Conditions {
		if !strings.Contains(condition.Message, "exceeded quota: no-claims") {
			t.Errorf("the condition is %+v", condition)
		}
	}
	if ref.Status.Phase != datav1alpha1.NotBoundPhase || !livetest.Exists(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: namespace + "-refdemo"}}) {
		t.Errorf("the phase is %s, or there is no volume", ref.Status.Phase)
	}
	livetest.Remove(t, quota)
	touch(t, ref) // or it is tried again after unreadDelay
	awaitBound(t, ref)
	claim := livetest.Refresh(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "refdemo"}})
	if !slices.Equal(claim.Spec.AccessModes, ref.Spec.AccessModes) {
		t.Errorf("the claim has %v", claim.Spec.AccessModes)
	}
	livetest.Eventually(t, "Kubernetes binds it", func() string {
		if livetest.Refresh(t, claim); claim.Status.Phase != corev1.ClaimBound {
			return fmt.Sprintf("its status is %+v", claim.Status)
		}
		return ""
	})
}

// TestChangedMountPointIsSaidAndNothingIsMixed: admission refuses it; where it was bypassed, the reference is no longer
// Bound, its volume stays what it was, and changing it back heals it.
func TestChangedMountPointIsSaidAndNothingIsMixed(t *testing.T) {
	startReferences(t)
	first, second := newPhysicalOf(t, "thin"), newPhysicalOf(t, "thin")
	ref := newBoundReference(t, first)
	volume := livetest.Refresh(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace + "-refdemo"}})
	path := volume.Spec.CSI.VolumeAttributes[datav1alpha1.VolumeAttributePath]
	point := func(mountPoint string) {
		t.Helper()
		patch := fmt.Sprintf(`{"spec":{"mounts":[{"mountPoint":%q}]}}`, mountPoint)
		if err := livetest.Client().Patch(t.Context(), ref, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	for _, mountPoint := range []string{"dataset://" + first + "/phy/sub/path", "dataset://" + second + "/phy/sub/path"} {
		point(mountPoint)
		awaitReason(t, ref, "MountPointChanged")
		if livetest.Refresh(t, volume); volume.Spec.CSI.VolumeAttributes[datav1alpha1.VolumeAttributePath] != path || ref.Status.UfsTotal != "" {
			t.Errorf("to %s: the volume leads to %v, the status is %+v", mountPoint, volume.Spec.CSI.VolumeAttributes, ref.Status)
		}
	}
	point("dataset://" + first + "/phy")
	awaitBound(t, ref)
}

// TestReferenceBeforeItsPhysicalIsBoundByEvents: a reference that is made before the physical Dataset says what it waits
// for at once, and each thing that comes is an event: the Dataset, its runtime, its FUSE DaemonSet whatever labels that
// has, and its volume.
func TestReferenceBeforeItsPhysicalIsBoundByEvents(t *testing.T) {
	startReferences(t)
	namespace := livetest.NewNamespace(t)
	ref := newReference(t, livetest.NewNamespace(t), "refdemo", namespace)
	awaitReason(t, ref, "PhysicalDatasetMissing")

	other := newPhysicalOf(t, "jindo") // whose objects serve as models
	physical := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "phy"}}
	physical.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "https://example.com/"}}
	livetest.Create(t, physical)
	awaitReason(t, ref, "PhysicalDatasetNotBound")
	status := livetest.Refresh(t, &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "phy"}}).Status
	setStatus(t, physical, status)
	awaitReason(t, ref, "FuseDaemonSetMissing")
	fuse := livetest.Refresh(t, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "phy-jindofs-fuse"}})
	fuse.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: fuse.Name} // without any label
	livetest.Create(t, fuse)
	awaitReason(t, ref, "PhysicalVolumeMissing")
	volume := livetest.Refresh(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: other + "-phy"}})
	volume.ObjectMeta = metav1.ObjectMeta{Name: namespace + "-phy", Annotations: volume.Annotations}
	volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: "phy"}
	livetest.Create(t, volume)
	t.Cleanup(func() { _ = livetest.Client().Delete(context.Background(), volume) })
	awaitReason(t, ref, "SourceMissing")
	for _, kind := range []string{"ConfigMap", "Secret"} {
		for _, object := range objectsIn(t, other) {
			if object.GetKind() == kind && object.GetName() != "kube-root-ca.crt" {
				made := newUnstructured("v1", kind, namespace, object.GetName())
				made.Object["data"] = object.Object["data"]
				livetest.Create(t, made)
			}
		}
	}
	awaitBound(t, ref)
}

// TestReferenceMadeAgainAtOnceBecomesBound: a reference is deleted and created again without waiting, so that what the
// former one had is still going. The new one waits for the names and adopts nothing.
func TestReferenceMadeAgainAtOnceBecomesBound(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	for range 3 {
		former := ref.UID
		livetest.Remove(t, ref)
		livetest.Eventually(t, "a new one", func() string {
			ref = &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "refdemo"}, Spec: ref.Spec}
			if err := livetest.Client().Create(t.Context(), ref); err != nil {
				return err.Error()
			}
			return ""
		})
		awaitBound(t, ref)
		meta := metav1.ObjectMeta{Namespace: ref.Namespace, Name: "refdemo"}
		for _, object := range []client.Object{&datav1alpha1.ThinRuntime{ObjectMeta: meta}, &corev1.PersistentVolumeClaim{ObjectMeta: meta}, only(t, ref)} {
			if livetest.Refresh(t, object); !reference.Owns(ref, object) || object.GetDeletionTimestamp() != nil {
				t.Errorf("%T is %+v after %s", object, object, former)
			}
		}
	}
}

// TestReferenceStaysWhilePodsHaveItsSidecar: deleting a reference waits for the pods that have its sidecar, although none
// of them has its claim any more. Their configuration stays until then.
func TestReferenceStaysWhilePodsHaveItsSidecar(t *testing.T) {
	made := startSharing(t, reference.SharingRBAC)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	createUser(t, ref, "reader")
	createUser(t, ref, "second")
	livetest.Remove(t, ref)
	for range 3 {
		touch(t, ref) // which is no news
	}
	livetest.Never(t, func() string {
		if livetest.Refresh(t, ref); len(own(t, ref)) != 1 || len(mirroredSecrets(t, ref)) != 1 {
			return "its mirrors went"
		}
		if !livetest.Exists(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "refdemo"}}) {
			return "its claim went"
		}
		known := livetest.Refresh(t, &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}).Status.DatasetRef
		if !slices.Contains(known, ref.Namespace+"/refdemo") {
			return "the physical Dataset may go"
		}
		return ""
	})
	livetest.Remove(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "second"}})
	var said []string
	livetest.Eventually(t, "an event of who is left", func() string {
		for len(made) > 0 {
			if event := <-made; strings.Contains(event, tell.ReasonErrorDeleteDataset) {
				said = append(said, event)
			}
		}
		if len(said) < 2 {
			return fmt.Sprintf("the events are %q", said)
		}
		return ""
	})
	livetest.Remove(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "reader"}})
	livetest.EventuallyGone(t, ref)
	if len(said) != 2 || !strings.Contains(said[0], "reader, second") || strings.Contains(said[1], "second") {
		t.Errorf("the events are %q", said)
	}
}

// TestTroubleOfThePhysicalIsMirroredAndForgotten: while the physical Dataset isn't Ready the reference says so; when it
// recovers nothing of that is left, nor of what the reference itself complained of before.
func TestTroubleOfThePhysicalIsMirroredAndForgotten(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "alluxio")
	ref := newBoundReference(t, physical)
	set := func(phase datav1alpha1.DatasetPhase, kind datav1alpha1.DatasetConditionType, status corev1.ConditionStatus) {
		t.Helper()
		dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
		patch := fmt.Sprintf(`{"status":{"phase":%q,"conditions":[{"type":%q,"status":%q,"reason":"R","message":"M"}]}}`, phase, kind, status)
		if err := livetest.Client().Status().Patch(t.Context(), dataset, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	mirrored := func(phase datav1alpha1.DatasetPhase, want ...string) {
		t.Helper()
		livetest.Eventually(t, "the mirrored conditions", func() string {
			var got []string
			for _, condition := range livetest.Refresh(t, ref).Status.Conditions {
				got = append(got, fmt.Sprintf("%s=%s", condition.Type, condition.Status))
			}
			if ref.Status.Phase != phase || !slices.Equal(got, want) {
				return fmt.Sprintf("the phase is %s, the conditions are %v", ref.Status.Phase, got)
			}
			return ""
		})
	}
	set(datav1alpha1.FailedPhase, datav1alpha1.DatasetReady, corev1.ConditionFalse)
	mirrored(datav1alpha1.FailedPhase, "Ready=False", "ReferenceReady=True")
	set(datav1alpha1.NotBoundPhase, datav1alpha1.DatasetNotReady, corev1.ConditionTrue)
	mirrored(datav1alpha1.NotBoundPhase, "ReferenceReady=False")
	set(datav1alpha1.BoundPhase, datav1alpha1.DatasetReady, corev1.ConditionTrue)
	mirrored(datav1alpha1.BoundPhase, "Ready=True", "ReferenceReady=True")
}

// TestNothingRunsForAReference: without Fluid there is no copy of the FUSE DaemonSet in a reference's namespace that a
// quota would count, a list by labels would find, or a node would run.
func TestNothingRunsForAReference(t *testing.T) {
	startReferences(t)
	ref := newBoundReference(t, newPhysicalOf(t, "alluxio"))
	for _, list := range []client.ObjectList{&appsv1.DaemonSetList{}, &corev1.PodList{}} {
		if err := livetest.Client().List(t.Context(), list, client.InNamespace(ref.Namespace)); err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(list); strings.Contains(text, ref.Namespace) {
			t.Errorf("there is %s", text)
		}
	}
}

// TestNamesAtTheLimitsMakeValidObjects: with namespaces and names at and around the lengths where labels end, the API
// server accepts all of a reference's objects, Kubernetes binds the claim, and everything goes again.
func TestNamesAtTheLimitsMakeValidObjects(t *testing.T) {
	startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
	physical := newPhysicalOf(t, "juicefs")
	// The label is fluid.io/s-<namespace>-<name>, which Fluid replaces from 63 characters on.
	const prefix = len("fluid.io/s-") + len("-")
	for i, length := range []int{62, 63, 64, prefix + 2*63} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			name := strings.Repeat("n", (length-prefix)/2)
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a'+i)) + strings.Repeat("x", length-prefix-len(name)-1)}}
			livetest.Create(t, namespace)
			ref := newReference(t, namespace.Name, name, physical)
			awaitBound(t, ref)
			claim := livetest.Refresh(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: name}})
			whole, hashed := "fluid.io/s-"+namespace.Name+"-"+name, "fluid.io/s-"+string(ref.UID)
			if _, isWhole := claim.Labels[whole]; isWhole != (length < 63) {
				t.Errorf("the claim's labels are %v", claim.Labels)
			}
			if _, isHashed := claim.Labels[hashed]; isHashed != (length >= 63) {
				t.Errorf("the claim's labels are %v", claim.Labels)
			}
			livetest.Eventually(t, "Kubernetes binds the claim", func() string {
				if livetest.Refresh(t, claim); claim.Status.Phase != corev1.ClaimBound {
					return fmt.Sprintf("its status is %+v", claim.Status)
				}
				return ""
			})
			livetest.Remove(t, ref)
			livetest.EventuallyGone(t, ref, claim, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: namespace.Name + "-" + name}})
			livetest.Remove(t, namespace)
		})
	}
}

// TestReplacedPhysicalIsServedAndNoted: the physical Dataset is deleted by force and another one gets its name. The
// reference follows it, and the volume tells that it was made for the former.
func TestReplacedPhysicalIsServedAndNoted(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "thin")
	ref := newBoundReference(t, physical)
	former := livetest.Refresh(t, &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}})
	releaseFinalizers(t, former)
	livetest.Remove(t, former)
	awaitReason(t, ref, "PhysicalDatasetMissing")
	next := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}, Spec: former.Spec}
	livetest.Create(t, next)
	former.Status.DatasetRef = nil
	setStatus(t, next, former.Status)
	awaitBound(t, ref)
	volume := livetest.Refresh(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace + "-refdemo"}})
	if was := volume.Annotations[reference.AnnotationPhysicalUID]; was != string(former.UID) || was == string(next.UID) {
		t.Errorf("the volume was made for %q, the former had %s", was, former.UID)
	}
}

// TestVolumeOfOneNameBelongsToTheFirst: the references a-b/c and a/b-c want volumes of one name; the second says so and
// takes nothing.
func TestVolumeOfOneNameBelongsToTheFirst(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "thin")
	short := "a" + strings.TrimPrefix(livetest.NewNamespace(t), "t-")
	livetest.Create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: short}}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: short + "-b"}})
	first := newReference(t, short+"-b", "c", physical)
	awaitBound(t, first)
	second := newReference(t, short, "b-c", physical)
	awaitReason(t, second, "VolumeNameTaken")
	livetest.Remove(t, second)
	livetest.EventuallyGone(t, second)
	volume := livetest.Refresh(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: short + "-b-c"}})
	if !reference.Owns(first, volume) || volume.DeletionTimestamp != nil || volume.Spec.ClaimRef.Namespace != first.Namespace {
		t.Errorf("the first reference's volume is %+v after the second one went", volume)
	}
	livetest.Remove(t, first)
	livetest.EventuallyGone(t, first, volume)
}

// TestPartsOfOneDatasetHaveVolumesOfTheirOwn: two references of one namespace to two directories of a Dataset. Each has its
// own volume with its own sub-path, claimed by its own claim. The volumes' handle is the physical's, by which Fluid's CSI
// plugin (v1.0.8) finds the FUSE pods when the last pod has gone; sidecars don't look at it.
func TestPartsOfOneDatasetHaveVolumesOfTheirOwn(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "alluxio")
	namespace := livetest.NewNamespace(t)
	handles := map[string]bool{}
	for name, part := range map[string]string{"one": "a", "two": "b/c", "three": ""} {
		ref := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		ref.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: strings.TrimSuffix("dataset://"+physical+"/phy/"+part, "/")}}
		livetest.Create(t, ref)
		awaitBound(t, ref)
		volume := livetest.Refresh(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: namespace + "-" + name}})
		if got := volume.Spec.CSI.VolumeAttributes[datav1alpha1.VolumeAttributeSubPath]; got != part || !reference.Owns(ref, volume) {
			t.Errorf("the volume of %s leads to %q", name, got)
		}
		handles[volume.Spec.CSI.VolumeHandle] = true
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		livetest.Eventually(t, "Kubernetes binds the claim", func() string {
			if livetest.Refresh(t, claim); claim.Status.Phase != corev1.ClaimBound || claim.Spec.VolumeName != volume.Name {
				return fmt.Sprintf("it wants %s, its status is %+v", claim.Spec.VolumeName, claim.Status)
			}
			return ""
		})
	}
	if len(handles) != 1 || !handles[livetest.Refresh(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: physical + "-phy"}}).Spec.CSI.VolumeHandle] {
		t.Errorf("the volumes have the handles %v", handles)
	}
}
