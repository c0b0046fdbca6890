package thinruntime

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func TestDeletionInAnyOrderLeavesNothing(t *testing.T) {
	startThinRuntimes(t)
	for name, order := range map[string]func(*physical) []client.Object{
		"Dataset only":               func(p *physical) []client.Object { return []client.Object{p.dataset} },
		"Dataset, then ThinRuntime":  func(p *physical) []client.Object { return []client.Object{p.dataset, p.runtime} },
		"ThinRuntime, then Dataset":  func(p *physical) []client.Object { return []client.Object{p.runtime, p.dataset} },
		"objects, then Dataset":      func(p *physical) []client.Object { return append(p.made(), p.dataset) },
		"profile, then Dataset":      func(p *physical) []client.Object { return []client.Object{p.profile, p.dataset} },
		"claim, volume, ThinRuntime": func(p *physical) []client.Object { return []client.Object{p.claim, p.volume, p.runtime, p.dataset} },
		"namespace": func(p *physical) []client.Object {
			return []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.dataset.Namespace}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := bound(t, newPhysical(livetest.NewNamespace(t)))
			livetest.Remove(t, order(p)...)
			livetest.EventuallyGone(t, p.all()...)
		})
		t.Run(name+", right after creation", func(t *testing.T) {
			p := newPhysical(livetest.NewNamespace(t))
			livetest.Create(t, p.profile, p.dataset, p.runtime)
			livetest.Remove(t, order(p)...)
			livetest.EventuallyGone(t, append(p.made(), p.dataset)...)
			// A ThinRuntime that nobody has given an owner yet stays, waiting for a Dataset.
			livetest.Remove(t, p.runtime)
			livetest.EventuallyGone(t, p.all()...)
		})
	}
}

// force deletes an object and strips its finalizers until it has gone, as somebody in a hurry does.
func force(t *testing.T, object client.Object) {
	t.Helper()
	livetest.Eventually(t, "forced deletion", func() string {
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		for _, err := range []error{livetest.Client().Delete(t.Context(), object), livetest.Client().Patch(t.Context(), object, patch)} {
			if err != nil && !apierrors.IsNotFound(err) {
				return err.Error()
			}
		}
		if livetest.Exists(t, object) {
			return "it is still there"
		}
		return ""
	})
}

func TestForcedDeletionLeavesNothing(t *testing.T) {
	for name, order := range map[string]func(*physical) []client.Object{
		"Dataset":                       func(p *physical) []client.Object { return []client.Object{p.dataset} },
		"Dataset, ThinRuntime":          func(p *physical) []client.Object { return []client.Object{p.dataset, p.runtime} },
		"ThinRuntime, Dataset":          func(p *physical) []client.Object { return []client.Object{p.runtime, p.dataset} },
		"ThinRuntime, Dataset politely": func(p *physical) []client.Object { return []client.Object{p.runtime} },
	} {
		t.Run(name, func(t *testing.T) {
			startThinRuntimes(t)
			p := bound(t, newPhysical(livetest.NewNamespace(t)))
			for _, object := range order(p) {
				force(t, object)
			}
			livetest.Remove(t, p.dataset)
			livetest.EventuallyGone(t, p.all()...)
		})
	}
}

func TestWhatVanishedWhileNobodyWatchedIsCleanedUp(t *testing.T) {
	p := newPhysical(livetest.NewNamespace(t))
	t.Run("before", func(t *testing.T) {
		startThinRuntimes(t)
		bound(t, p)
	})
	force(t, p.dataset)
	force(t, p.runtime)
	startThinRuntimes(t)
	livetest.EventuallyGone(t, p.all()...)
}

func TestNewDatasetReplacesWhatAnEarlierOneLeft(t *testing.T) {
	p := newPhysical(livetest.NewNamespace(t))
	t.Run("before", func(t *testing.T) {
		startThinRuntimes(t)
		bound(t, p)
	})
	force(t, p.dataset)
	force(t, p.runtime)
	again := newPhysical(p.dataset.Namespace)
	livetest.Create(t, again.dataset, again.runtime)
	startThinRuntimes(t)
	eventuallyBound(t, again)
	eventuallyClaimed(t, again)
	if livetest.Refresh(t, again.volume).Labels[reference.LabelDatasetUID] != string(again.dataset.UID) {
		t.Error("the volume is still the earlier Dataset's")
	}
}

func TestThinRuntimeDeletedAloneUnbindsItsDataset(t *testing.T) {
	startThinRuntimes(t)
	p := bound(t, newPhysical(livetest.NewNamespace(t)))
	other := addReference(t, p)
	eventuallyRecorded(t, p, other)
	livetest.Remove(t, p.runtime)
	livetest.EventuallyGone(t, append(p.made(), p.runtime)...)
	livetest.Refresh(t, p.dataset)
	if status := p.dataset.Status; status.Phase != datav1alpha1.NotBoundPhase || len(status.Runtimes) > 0 || len(status.Conditions) > 0 || len(status.CacheStates) > 0 {
		t.Errorf("status of the Dataset: %+v", status)
	}
	if len(p.dataset.Status.DatasetRef) != 1 {
		t.Error("datasetRef of the Dataset:", p.dataset.Status.DatasetRef)
	}
	again := newPhysical(p.dataset.Namespace).runtime
	livetest.Create(t, again)
	eventuallyBound(t, p)
}

// addReference creates a reference Dataset, which no reconciler of these tests serves, with a status as if one did.
func addReference(t *testing.T, p *physical) *datav1alpha1.Dataset {
	t.Helper()
	source := reference.Source{Namespace: p.dataset.Namespace, Name: p.dataset.Name}
	ref := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: livetest.NewNamespace(t), Name: "refdemo"},
		Spec: datav1alpha1.DatasetSpec{Mounts: []datav1alpha1.Mount{{MountPoint: source.MountPoint()}}}}
	livetest.Create(t, ref)
	ref.Status = datav1alpha1.DatasetStatus{Phase: datav1alpha1.NotBoundPhase, Conditions: []datav1alpha1.DatasetCondition{}}
	if err := livetest.Client().Status().Update(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	return ref
}

func eventuallyRecorded(t *testing.T, p *physical, ref *datav1alpha1.Dataset) {
	t.Helper()
	livetest.Eventually(t, "datasetRef", func() string {
		if refs := livetest.Refresh(t, p.dataset).Status.DatasetRef; !slices.Contains(refs, ref.Namespace+"/"+ref.Name) {
			return fmt.Sprint("it is ", refs)
		}
		return ""
	})
}

// expectHeld checks that a deleted Dataset stays with everything it has, and says once why.
func expectHeld(t *testing.T, p *physical, why string) {
	t.Helper()
	livetest.Never(t, func() string {
		for _, object := range p.all() {
			if !livetest.Exists(t, object) {
				return "something of the Dataset has gone"
			}
		}
		if p.claim.DeletionTimestamp != nil || p.runtime.DeletionTimestamp != nil {
			return "claim or ThinRuntime is being deleted"
		}
		return ""
	})
	livetest.Eventually(t, "one event", func() string {
		if notes := eventNotes(t, p.dataset, "ErrorDeleteDataset"); len(notes) != 1 || !strings.Contains(notes[0], why) {
			return fmt.Sprint("the events are ", notes)
		}
		return ""
	})
}

func TestReferencedDatasetStaysUntilTheReferenceGoes(t *testing.T) {
	startThinRuntimes(t)
	p := bound(t, newPhysical(livetest.NewNamespace(t)))
	ref := addReference(t, p)
	eventuallyRecorded(t, p, ref)
	livetest.Remove(t, p.dataset)
	expectHeld(t, p, ref.Namespace+"/refdemo")
	livetest.Remove(t, ref)
	livetest.EventuallyGone(t, p.all()...)
}

func TestDatasetOfASidecarStaysUntilThePodEnds(t *testing.T) {
	startThinRuntimes(t)
	p := bound(t, newPhysical(livetest.NewNamespace(t)))
	pod := newPod(p.dataset.Namespace, "app")
	pod.Labels = map[string]string{datav1alpha1.LabelInjectionDone: "true",
		datav1alpha1.LabelSidecarDatasetName + "fluid-fuse-0":      "phy",
		datav1alpha1.LabelSidecarDatasetNamespace + "fluid-fuse-0": p.dataset.Namespace}
	livetest.Create(t, pod)
	livetest.Remove(t, p.dataset)
	expectHeld(t, p, "delete app")
	if err := livetest.Client().Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal("deleting the pod:", err)
	}
	livetest.EventuallyGone(t, p.all()...)
}

func TestDatasetOfAClaimInUseStaysUntilThePodEnds(t *testing.T) {
	startThinRuntimes(t)
	p := bound(t, newPhysical(livetest.NewNamespace(t)))
	pod := newPod(p.dataset.Namespace, "app")
	pod.Spec.NodeName = "nowhere" // only pods on a node use claims
	pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "phy"}}}}
	livetest.Create(t, pod)
	livetest.Remove(t, p.dataset)
	livetest.Eventually(t, "an event that names the pod", func() string {
		if notes := eventNotes(t, p.dataset, "ErrorDeleteDataset"); len(notes) != 1 || !strings.Contains(notes[0], "delete app") {
			return fmt.Sprint("the events are ", notes)
		}
		return ""
	})
	livetest.Never(t, func() string {
		if !livetest.Exists(t, p.claim) || !livetest.Exists(t, p.volume) || !livetest.Exists(t, p.daemonSet) {
			return "something that the pod uses has gone"
		}
		return ""
	})
	if err := livetest.Client().Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal("deleting the pod:", err)
	}
	livetest.EventuallyGone(t, p.all()...)
}

func newPod(namespace, name string) *corev1.Pod {
	no := false
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{AutomountServiceAccountToken: &no, Containers: []corev1.Container{{Name: "app", Image: "app"}}}}
}
