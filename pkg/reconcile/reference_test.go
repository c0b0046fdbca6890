package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/statuspatch"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// startReferences runs the reconcilers of references and returns what they write.
func startReferences(t *testing.T) *livetest.Writes {
	t.Helper()
	recorded := &livetest.Writes{}
	livetest.StartManager(t, func(manager ctrl.Manager) error {
		if err := AddIndexes(t.Context(), manager); err != nil {
			return err
		}
		c := recorded.Recording(livetest.WithWatch(client.WithFieldOwner(manager.GetClient(), reference.FieldManager)))
		references := &ReferenceReconciler{Client: c, Live: manager.GetAPIReader(), Recorder: events.NewFakeRecorder(1000),
			MirrorNames: reference.UniqueNames, Now: time.Now}
		if err := references.SetupWithManager(manager); err != nil {
			return err
		}
		return (&DatasetRefReconciler{Client: c}).SetupWithManager(manager)
	})
	return recorded
}

// newPhysicalOf creates the physical Dataset phy of a runtime in a namespace of its own, with all that goes with it.
func newPhysicalOf(t *testing.T, runtime string) (namespace string) {
	t.Helper()
	namespace = livetest.NewNamespace(t)
	w := referencetest.World(t, runtime, "dataset://default/phy")
	dataset := w.Physical.DeepCopy()
	dataset.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "phy"}
	status := dataset.Status
	status.DatasetRef = nil
	livetest.Create(t, dataset)
	setStatus(t, dataset, status)
	w.Fuse.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: w.Fuse.Name}
	w.PhysicalVolume.ObjectMeta = metav1.ObjectMeta{Name: namespace + "-phy", Annotations: w.PhysicalVolume.Annotations}
	w.PhysicalVolume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: "phy"}
	livetest.Create(t, w.Fuse, w.PhysicalVolume)
	t.Cleanup(func() { _ = livetest.Client().Delete(context.Background(), w.PhysicalVolume) })
	for source := range w.Seen {
		meta := metav1.ObjectMeta{Namespace: namespace, Name: source.Name, Annotations: map[string]string{"helm.sh/hook": "pre-install"}}
		if source.Kind == "Secret" {
			livetest.Create(t, &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"metaurl": []byte("redis://"), "access-key": []byte("canary")}})
		} else {
			livetest.Create(t, &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"key": "value"}, BinaryData: map[string][]byte{"binary": {0xff, 0}}})
		}
	}
	return namespace
}

// setStatus gives a Dataset a status, whatever it has now.
func setStatus(t *testing.T, dataset *datav1alpha1.Dataset, status datav1alpha1.DatasetStatus) {
	t.Helper()
	unversioned := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: dataset.Namespace, Name: dataset.Name}}
	if err := statuspatch.Write(t.Context(), livetest.Client(), unversioned, datav1alpha1.DatasetStatus{}, status); err != nil {
		t.Fatal(err)
	}
}

// newBoundReference creates the reference refdemo to a physical Dataset and waits until it is Bound.
func newBoundReference(t *testing.T, physical string) *datav1alpha1.Dataset {
	t.Helper()
	ref := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: livetest.NewNamespace(t), Name: "refdemo"}}
	ref.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://" + physical + "/phy"}}
	livetest.Create(t, ref)
	awaitBound(t, ref)
	return ref
}

func awaitBound(t *testing.T, ref *datav1alpha1.Dataset) {
	t.Helper()
	livetest.Eventually(t, "Bound", func() string {
		if livetest.Refresh(t, ref); ref.Status.Phase == datav1alpha1.BoundPhase {
			return ""
		}
		return fmt.Sprintf("the status is %+v", ref.Status)
	})
}

// mirrors returns the ConfigMaps that were mirrored into a reference's namespace.
func mirrors(t *testing.T, ref *datav1alpha1.Dataset) []corev1.ConfigMap {
	t.Helper()
	list := &corev1.ConfigMapList{}
	if err := livetest.Client().List(t.Context(), list, client.InNamespace(ref.Namespace), client.HasLabels{reference.LabelReferenceUID}); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestReferenceIsMadeWithFewWritesAndThenLeftAlone(t *testing.T) {
	recorded := startReferences(t)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	// Finalizer and label, ThinRuntime, volume, claim, two statuses, and two mirrors; the physical's datasetRef beside.
	if made := recorded.Of(ref.Namespace); len(made) > 6+2 {
		t.Errorf("%d writes: %s", len(made), strings.Join(made, "\n"))
	}
	if made := recorded.Of(physical + "/phy"); len(made) != 1 {
		t.Errorf("writes to the physical Dataset: %s", made)
	}
	before := recorded.Settled(t)
	// An event of each input that changes nothing.
	for _, object := range []client.Object{
		ref,
		&datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}},
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "refdemo"}},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace + "-refdemo"}},
		&mirrors(t, ref)[0],
	} {
		annotate := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"touched":"yes"}}}`))
		if err := livetest.Client().Patch(t.Context(), object, annotate); err != nil {
			t.Fatal(err)
		}
	}
	livetest.Never(t, func() string {
		if after := recorded.Of(""); len(after) > before {
			return fmt.Sprintf("it wrote %s", after[before:])
		}
		return ""
	})
}

// TestRestartedControllerWritesNothing: of references of every runtime and to one of them from several namespaces.
func TestRestartedControllerWritesNothing(t *testing.T) {
	var refs []*datav1alpha1.Dataset
	w := &wire{}
	stop := startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	for _, runtime := range referencetest.Runtimes() {
		physical := newPhysicalOf(t, runtime)
		for range 3 {
			refs = append(refs, newBoundReference(t, physical))
		}
	}
	w.settle(t)
	stop()
	w = &wire{}
	before := reconciles(t)
	startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	livetest.Eventually(t, "each is looked at", func() string {
		if looked := reconciles(t) - before; looked < len(refs) {
			return fmt.Sprintf("%d reconciles so far", looked)
		}
		return ""
	})
	w.settle(t)
	for _, ref := range refs {
		if made := w.calls(func(c call) bool { return c.isWrite() && strings.Contains(c.path, ref.Namespace) }); len(made) > 0 {
			t.Errorf("it wrote %s", made)
		}
	}
}

func TestSecretsAndConfigMapsAreMirroredWhole(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	configMaps := mirrors(t, ref)
	if len(configMaps) != 1 || configMaps[0].Data["key"] != "value" || !slices.Equal(configMaps[0].BinaryData["binary"], []byte{0xff, 0}) ||
		configMaps[0].Annotations["helm.sh/hook"] != "" || !reference.Owns(ref, &configMaps[0]) {
		t.Errorf("the mirrored ConfigMaps are %+v", configMaps)
	}
	secrets := &corev1.SecretList{}
	if err := livetest.Client().List(t.Context(), secrets, client.InNamespace(ref.Namespace)); err != nil {
		t.Fatal(err)
	}
	if len(secrets.Items) != 1 || string(secrets.Items[0].Data["access-key"]) != "canary" || !reference.Owns(ref, &secrets.Items[0]) {
		t.Errorf("there are %d Secrets", len(secrets.Items))
	}
}

func TestMirrorsFollowTheirSourceAndAreRepaired(t *testing.T) {
	recorded := startReferences(t)
	physical := newPhysicalOf(t, "alluxio")
	ref := newBoundReference(t, physical)
	source := livetest.Refresh(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-config"}})
	mirror := mirrors(t, ref)[0]

	same := func(what string) {
		t.Helper()
		livetest.Eventually(t, what, func() string {
			present := mirrors(t, ref)
			if len(present) == 1 && equality.Semantic.DeepEqual(present[0].Data, source.Data) && reference.Owns(ref, &present[0]) {
				return ""
			}
			return fmt.Sprintf("the mirrors are %+v", present)
		})
	}
	source.Data = map[string]string{"new": "content"}
	before := len(recorded.Of(ref.Namespace))
	if err := livetest.Client().Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	same("a changed source")
	if made := recorded.Of(ref.Namespace)[before:]; len(made) != 1 {
		t.Errorf("a changed source takes the writes %s", made)
	}
	edit := func(patch string) {
		t.Helper()
		if err := livetest.Client().Patch(t.Context(), &mirror, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	edit(`{"data":{"new":"edited","more":"x"}}`)
	same("an edited mirror")
	livetest.Remove(t, &mirror)
	same("a deleted mirror")
}

// TestUnmarkedMirrorIsForeign: whoever takes the mark off has taken the object over.
func TestUnmarkedMirrorIsForeign(t *testing.T) {
	startReferences(t)
	ref := newBoundReference(t, newPhysicalOf(t, "alluxio"))
	mirror := mirrors(t, ref)[0]
	patch := `{"metadata":{"labels":{"kubectl-fluid.dev/reference-uid":null},"ownerReferences":null},"data":{"mine":"now"}}`
	if err := livetest.Client().Patch(t.Context(), &mirror, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
	livetest.Eventually(t, "a finding", func() string {
		livetest.Refresh(t, ref)
		for _, condition := range ref.Status.Conditions {
			if condition.Type == reference.ConditionReferenceReady && condition.Reason == "MirrorNameTaken" {
				return ""
			}
		}
		return fmt.Sprintf("the conditions are %+v", ref.Status.Conditions)
	})
	if livetest.Refresh(t, &mirror); mirror.Data["mine"] != "now" {
		t.Errorf("the ConfigMap was overwritten with %v", mirror.Data)
	}
	livetest.Remove(t, &mirror)
	awaitBound(t, ref)
}

// TestPhysicalKnowsItsReferences: status.datasetRef follows, and what else is in the status stays.
func TestPhysicalKnowsItsReferences(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "thin")
	first, second := newBoundReference(t, physical), newBoundReference(t, physical)
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
	knows := func(want ...string) {
		t.Helper()
		livetest.Eventually(t, "datasetRef", func() string {
			if livetest.Refresh(t, dataset); slices.Equal(dataset.Status.DatasetRef, want) {
				return ""
			}
			return fmt.Sprintf("it knows %q", dataset.Status.DatasetRef)
		})
	}
	knows(first.Namespace+"/refdemo", second.Namespace+"/refdemo")
	livetest.Remove(t, first)
	knows(second.Namespace + "/refdemo")
	if dataset.Status.Phase != datav1alpha1.BoundPhase || dataset.Status.UfsTotal != "6.00B" {
		t.Errorf("the physical's status is %+v", dataset.Status)
	}
	livetest.Remove(t, second)
	knows()
}

// TestReferenceOutlivesItsPhysical: a physical Dataset that is deleted and made again has another UID, and is served and
// kept from deletion like the first.
func TestReferenceOutlivesItsPhysical(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "thin")
	ref := newBoundReference(t, physical)
	dataset := livetest.Refresh(t, &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}})
	again := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}, Spec: dataset.Spec}
	status := dataset.Status
	livetest.Remove(t, dataset)
	livetest.Eventually(t, "NotBound", func() string {
		if livetest.Refresh(t, ref); ref.Status.Phase == datav1alpha1.NotBoundPhase {
			return ""
		}
		return "its phase is " + string(ref.Status.Phase)
	})
	livetest.Create(t, again)
	status.DatasetRef = nil
	setStatus(t, again, status)
	awaitBound(t, ref)
	if livetest.Refresh(t, again); !slices.Equal(again.Status.DatasetRef, []string{ref.Namespace + "/refdemo"}) {
		t.Errorf("the new physical Dataset knows %q", again.Status.DatasetRef)
	}
}

// TestUnknownFieldsOfReferencesSurvive: fields of Fluid's that this build's types don't know stay as they are, at every
// level, through every write.
func TestUnknownFieldsOfReferencesSurvive(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "thin")
	ref := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "data.fluid.io/v1alpha1", "kind": "Dataset",
		"metadata": map[string]any{"namespace": livetest.NewNamespace(t), "name": "refdemo"},
		"spec": map[string]any{
			"future": map[string]any{"a": "b"},
			"mounts": []any{map[string]any{"mountPoint": "dataset://" + physical + "/phy", "future": "c"}},
		},
	}}
	livetest.Create(t, ref)
	typed := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: ref.GetNamespace(), Name: ref.GetName()}}
	awaitBound(t, typed)
	if err := livetest.Client().Status().Patch(t.Context(), ref, client.RawPatch(types.MergePatchType, []byte(`{"status":{"future":{"d":"e"},"observedGeneration":1}}`))); err != nil {
		t.Fatal(err)
	}
	// A generation says what its own object's status is about: the physical's is never the reference's.
	annotate := client.RawPatch(types.MergePatchType, []byte(`{"status":{"ufsTotal":"7.00B","observedGeneration":7}}`))
	if err := livetest.Client().Status().Patch(t.Context(), &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}, annotate); err != nil {
		t.Fatal(err)
	}
	livetest.Eventually(t, "the mirrored status", func() string {
		if livetest.Refresh(t, ref); ref.Object["status"].(map[string]any)["ufsTotal"] == "7.00B" {
			return ""
		}
		return fmt.Sprintf("the status is %v", ref.Object["status"])
	})
	for path, want := range map[string]string{"spec.future.a": "b", "status.future.d": "e"} {
		if got, _, _ := unstructured.NestedString(ref.Object, strings.Split(path, ".")...); got != want {
			t.Errorf("%s is %q", path, got)
		}
	}
	if observed, _, _ := unstructured.NestedInt64(ref.Object, "status", "observedGeneration"); observed != 1 {
		t.Errorf("status.observedGeneration is %d", observed)
	}
	mounts, _, _ := unstructured.NestedSlice(ref.Object, "spec", "mounts")
	if mounts[0].(map[string]any)["future"] != "c" {
		t.Errorf("the mounts are %v", mounts)
	}
}
