package thinruntime

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// physical is a Dataset with its ThinRuntime, profile and objects, by name: the fields hold what was read last.
type physical struct {
	profile   *datav1alpha1.ThinRuntimeProfile
	dataset   *datav1alpha1.Dataset
	runtime   *datav1alpha1.ThinRuntime
	configMap *corev1.ConfigMap
	daemonSet *appsv1.DaemonSet
	volume    *corev1.PersistentVolume
	claim     *corev1.PersistentVolumeClaim
}

func newPhysical(namespace string) *physical {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "phy"}
	named := func(suffix string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: "phy" + suffix}
	}
	return &physical{
		profile: &datav1alpha1.ThinRuntimeProfile{ObjectMeta: metav1.ObjectMeta{Name: "profile-" + namespace},
			Spec: datav1alpha1.ThinRuntimeProfileSpec{FileSystemType: "nfs",
				Fuse: datav1alpha1.ThinFuseSpec{Image: "example.com/nfs-fuse", ImageTag: "v1", Command: []string{"/entrypoint.sh"}}}},
		dataset: &datav1alpha1.Dataset{ObjectMeta: meta,
			Spec: datav1alpha1.DatasetSpec{Mounts: []datav1alpha1.Mount{{MountPoint: "10.0.0.1:/export", Name: "phy"}}}},
		runtime: &datav1alpha1.ThinRuntime{ObjectMeta: meta,
			Spec: datav1alpha1.ThinRuntimeSpec{ProfileName: "profile-" + namespace}},
		configMap: &corev1.ConfigMap{ObjectMeta: named("-fuse-conf")},
		daemonSet: &appsv1.DaemonSet{ObjectMeta: named("-fuse")},
		volume:    &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: namespace + "-phy"}},
		claim:     &corev1.PersistentVolumeClaim{ObjectMeta: meta},
	}
}

// made are the objects that the reconciler makes, all everything but the profile.
func (p *physical) made() []client.Object {
	return []client.Object{p.configMap, p.daemonSet, p.volume, p.claim}
}

func (p *physical) all() []client.Object { return append(p.made(), p.dataset, p.runtime) }

func (p *physical) request() ctrl.Request {
	return ctrl.Request{NamespacedName: client.ObjectKeyFromObject(p.dataset)}
}

// startThinRuntimes runs the reconciler, together with the one that keeps status.datasetRef.
func startThinRuntimes(t *testing.T) (*Reconciler, *livetest.Writes) {
	t.Helper()
	counter := &livetest.Writes{}
	r := &Reconciler{}
	livetest.StartManager(t, func(manager ctrl.Manager) error {
		if err := reconcile.AddIndexes(t.Context(), manager); err != nil {
			return err
		}
		if err := (&reconcile.DatasetRefReconciler{Client: manager.GetClient()}).SetupWithManager(manager); err != nil {
			return err
		}
		r.Client = counter.Recording(livetest.WithWatch(manager.GetClient()))
		r.Recorder = manager.GetEventRecorder(reference.FieldManager)
		return r.SetupWithManager(manager)
	})
	return r, counter
}

// bound creates a physical Dataset and waits until it is Bound.
func bound(t *testing.T, p *physical) *physical {
	t.Helper()
	livetest.Create(t, p.profile, p.dataset, p.runtime)
	eventuallyBound(t, p)
	return p
}

func eventuallyBound(t *testing.T, p *physical) {
	t.Helper()
	livetest.Eventually(t, "Dataset Bound", func() string {
		if phase := livetest.Refresh(t, p.dataset).Status.Phase; phase != datav1alpha1.BoundPhase {
			return "its phase is " + string(phase) + ", conditions " + conditionTexts(p.dataset)
		}
		return ""
	})
}

func eventuallyClaimed(t *testing.T, p *physical) {
	t.Helper()
	livetest.Eventually(t, "claim bound to its volume", func() string {
		if phase := livetest.Refresh(t, p.claim).Status.Phase; phase != corev1.ClaimBound {
			return "its phase is " + string(phase)
		}
		return ""
	})
}

func conditionTexts(dataset *datav1alpha1.Dataset) string {
	var texts []string
	for _, c := range dataset.Status.Conditions {
		texts = append(texts, string(c.Type)+"="+string(c.Status)+" "+c.Reason+": "+c.Message)
	}
	return strings.Join(texts, "; ")
}

func versions(t *testing.T, objects []client.Object) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range objects {
		livetest.Refresh(t, object)
		found[string(object.GetUID())] = object.GetResourceVersion()
	}
	return found
}

// eventNotes returns the notes of the events about an object.
func eventNotes(t *testing.T, object client.Object, reason string) []string {
	t.Helper()
	list := &eventsv1.EventList{}
	if err := livetest.Client().List(t.Context(), list, client.InNamespace(object.GetNamespace())); err != nil {
		t.Fatal("listing events:", err)
	}
	var notes []string
	for _, event := range list.Items {
		if event.Regarding.UID == object.GetUID() && event.Reason == reason {
			notes = append(notes, event.Note)
		}
	}
	return notes
}

func TestPhysicalDatasetBecomesBoundWithAllItsObjects(t *testing.T) {
	startThinRuntimes(t)
	p := bound(t, newPhysical(livetest.NewNamespace(t)))
	for _, object := range p.made() {
		livetest.Refresh(t, object)
	}
	if !slices.Contains(p.dataset.Finalizers, datav1alpha1.FinalizerDataset) {
		t.Error("finalizers of the Dataset:", p.dataset.Finalizers)
	}
	if want := p.dataset.Namespace + "-phy"; p.dataset.Labels[datav1alpha1.LabelDatasetID] != want {
		t.Errorf("labels of the Dataset: %v, want dataset-id %s", p.dataset.Labels, want)
	}
	if entry := p.dataset.Status.Runtimes; len(entry) != 1 ||
		entry[0] != (datav1alpha1.Runtime{Name: "phy", Namespace: p.dataset.Namespace, Category: "Accelerate", Type: "thin"}) {
		t.Error("runtimes of the Dataset:", entry)
	}
	if got := conditionTexts(p.dataset); got != "Ready=True DatasetReady: The ddc runtime is ready." {
		t.Error("conditions of the Dataset:", got)
	}
	if !equality.Semantic.DeepEqual(p.dataset.Status.Mounts, p.dataset.Spec.Mounts) {
		t.Error("mounts in the status of the Dataset:", p.dataset.Status.Mounts)
	}
	livetest.Refresh(t, p.runtime)
	if !slices.Contains(p.runtime.Finalizers, datav1alpha1.FinalizerThinRuntime) {
		t.Error("finalizers of the ThinRuntime:", p.runtime.Finalizers)
	}
	if owners := p.runtime.OwnerReferences; len(owners) != 1 || owners[0].UID != p.dataset.UID || owners[0].BlockOwnerDeletion != nil {
		t.Error("owners of the ThinRuntime:", owners)
	}
	if p.runtime.Status.FusePhase != datav1alpha1.RuntimePhaseReady || p.runtime.Status.SetupDuration == "" || len(p.runtime.Status.Conditions) != 2 {
		t.Errorf("status of the ThinRuntime: %+v", p.runtime.Status)
	}
	for _, object := range []client.Object{p.configMap, p.daemonSet} {
		if owner := metav1.GetControllerOf(object); owner == nil || owner.UID != p.runtime.UID {
			t.Errorf("owner of %T: %v", object, owner)
		}
	}
	eventuallyClaimed(t, p)
}

func TestReconcileThatChangesNothingWritesNothing(t *testing.T) {
	r, counter := startThinRuntimes(t)
	for name, p := range map[string]*physical{
		"little": newPhysical(livetest.NewNamespace(t)), "every field": withEveryField(t, newPhysical(livetest.NewNamespace(t)))} {
		t.Run(name, func(t *testing.T) {
			bound(t, p)
			eventuallyClaimed(t, p)
			var before map[string]string
			livetest.Eventually(t, "quiet", func() string {
				before = versions(t, p.all())
				time.Sleep(300 * time.Millisecond)
				if !equality.Semantic.DeepEqual(before, versions(t, p.all())) {
					return "the objects still change"
				}
				return ""
			})
			written := counter.Count()
			for range 3 {
				if result, err := r.Reconcile(t.Context(), p.request()); err != nil || !result.IsZero() {
					t.Fatal("reconciling:", result, err)
				}
			}
			if n := counter.Count() - written; n != 0 {
				t.Errorf("%d writes, want none", n)
			}
			if after := versions(t, p.all()); !equality.Semantic.DeepEqual(before, after) {
				t.Errorf("resource versions before %v, after %v", before, after)
			}
		})
	}
}

// withEveryField gives a Dataset everything that the golden file of package thin has.
func withEveryField(t *testing.T, p *physical) *physical {
	t.Helper()
	text, err := os.ReadFile("thin/testdata/everything.in.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Dataset *datav1alpha1.Dataset
		Runtime *datav1alpha1.ThinRuntime
		Profile *datav1alpha1.ThinRuntimeProfile
	}
	if err := yaml.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	p.dataset.Spec, p.dataset.Annotations = in.Dataset.Spec, in.Dataset.Annotations
	p.profile.Spec = in.Profile.Spec
	p.runtime.Spec, p.runtime.Annotations = in.Runtime.Spec, in.Runtime.Annotations
	p.runtime.Spec.ProfileName = p.profile.Name
	return p
}

func TestWhatFluidServesIsLeftToFluid(t *testing.T) {
	p := newPhysical(livetest.NewNamespace(t))
	livetest.Create(t, p.profile, p.runtime)
	controller := true
	for _, object := range []client.Object{p.configMap, p.daemonSet} {
		object.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: datav1alpha1.GroupVersion.String(), Kind: datav1alpha1.ThinRuntimeKind,
			Name: p.runtime.Name, UID: p.runtime.UID, Controller: &controller}})
		object.SetAnnotations(map[string]string{"meta.helm.sh/release-name": "phy", "meta.helm.sh/release-namespace": p.runtime.Namespace})
	}
	p.daemonSet.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	p.daemonSet.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}, Spec: newPod("", "").Spec}
	livetest.Create(t, p.configMap, p.daemonSet, p.dataset)
	startThinRuntimes(t)
	present := []client.Object{p.configMap, p.dataset, p.runtime}
	before := versions(t, present)
	livetest.Never(t, func() string {
		if !equality.Semantic.DeepEqual(before, versions(t, present)) || livetest.Exists(t, p.claim) {
			return "something was written"
		}
		return ""
	})
}

func TestDatasetBoundToAnotherRuntimeIsLeftAlone(t *testing.T) {
	p := newPhysical(livetest.NewNamespace(t))
	livetest.Create(t, p.profile, p.dataset)
	edit(t, p.dataset, types.MergePatchType, `{"metadata":{"finalizers":["fluid-dataset-controller-finalizer"]}}`)
	p.dataset.Status = datav1alpha1.DatasetStatus{Phase: datav1alpha1.BoundPhase, Conditions: []datav1alpha1.DatasetCondition{},
		Runtimes: []datav1alpha1.Runtime{{Name: "phy", Namespace: p.dataset.Namespace, Category: "Accelerate", Type: "alluxio"}}}
	if err := livetest.Client().Status().Update(t.Context(), p.dataset); err != nil {
		t.Fatal(err)
	}
	startThinRuntimes(t)
	livetest.Create(t, p.runtime)
	livetest.Eventually(t, "an event", func() string {
		if notes := eventNotes(t, p.runtime, "ErrorProcessRuntime"); len(notes) != 1 || !strings.Contains(notes[0], "bound to another runtime") {
			return fmt.Sprint("the events are ", notes)
		}
		return ""
	})
	livetest.Remove(t, p.dataset)
	livetest.Never(t, func() string {
		if !livetest.Exists(t, p.dataset) || livetest.Exists(t, p.claim) {
			return "the Dataset was released, or something was made for it"
		}
		return ""
	})
	edit(t, p.dataset, types.MergePatchType, `{"metadata":{"finalizers":null}}`)
}
