package caches

import (
	"fmt"
	"reflect"
	"sync"
	"testing"
	"unsafe"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// healthyWorld returns a world in which all objects of the reference exist and are its own.
func healthyWorld(t *testing.T, runtime string) *reference.World {
	t.Helper()
	w := referencetest.World(t, runtime, "dataset://default/phy/some/path")
	plan := reference.NewPlan(w)
	if !plan.Ready() {
		t.Fatal("the world isn't healthy:", plan.Findings)
	}
	w.ThinRuntime, w.Volume, w.Claim = plan.ThinRuntime, plan.Volume, plan.Claim
	w.ThinRuntime.Status = *plan.RuntimeStatus
	for _, mirror := range plan.Mirrors {
		source := w.Metadata(mirror.Original)
		if source == nil {
			continue // an optional one
		}
		w.Seen[mirror.Target] = reference.State{Object: &metav1.PartialObjectMetadata{ObjectMeta: reference.NewMirror(w.Dataset, mirror, source)}}
	}
	reference.StampCondition(&plan.Status, metav1.Now().Rfc3339Copy())
	w.Dataset.Status = plan.Status
	return w
}

// objectsOf returns all objects of a world.
func objectsOf(w *reference.World) []client.Object {
	objects := []client.Object{w.Dataset, w.Physical, w.Fuse, w.PhysicalVolume, w.ThinRuntime, w.Volume, w.Claim}
	if w.PhysicalClaim != nil {
		objects = append(objects, w.PhysicalClaim)
	}
	for object := range w.Seen {
		if metadata := w.Metadata(object); metadata != nil {
			objects = append(objects, metadata)
		}
	}
	return objects
}

// TestPlansAreTheSameFromCaches: what the caches leave out of objects, no plan depends on, whether all is well or the
// reference's names belong to somebody else.
func TestPlansAreTheSameFromCaches(t *testing.T) {
	for _, runtime := range referencetest.Runtimes() {
		for name, change := range map[string]func(*reference.World){
			"healthy":      func(*reference.World) {},
			"new":          func(w *reference.World) { w.ThinRuntime, w.Volume, w.Claim = nil, nil, nil },
			"other claim":  func(w *reference.World) { w.Claim.Labels, w.Claim.OwnerReferences = nil, nil },
			"other volume": func(w *reference.World) { w.Volume.Spec.ClaimRef.Name = "somebody-else" },
			"other modes": func(w *reference.World) {
				w.Volume.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{"ReadWriteMany"}
			},
			"other physical": func(w *reference.World) { w.Physical.UID = "made-again" },
			"other source":   func(w *reference.World) { w.Volume.Spec.CSI.VolumeAttributes["fluid_sub_path"] = "elsewhere" },
			"other runtime":  func(w *reference.World) { w.ThinRuntime.Spec.ProfileName = "nfs" },
			"made by Fluid":  func(w *reference.World) { delete(w.Claim.Labels, reference.LabelReferenceUID) },
			"other's mirror": func(w *reference.World) { takeMirrors(w) },
		} {
			t.Run(runtime+" "+name, func(t *testing.T) {
				w := healthyWorld(t, runtime)
				change(w)
				for _, object := range objectsOf(w) {
					if !reflect.ValueOf(object).IsNil() {
						object.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "somebody", FieldsV1: metav1.NewFieldsV1("{}")}})
					}
				}
				whole := reference.NewPlan(w)
				reducer := &reducer{}
				for _, object := range objectsOf(w) {
					if reflect.ValueOf(object).IsNil() {
						continue
					}
					if _, err := reducer.reduce(object); err != nil {
						t.Fatal(err)
					}
				}
				if reduced := reference.NewPlan(w); !equality.Semantic.DeepEqual(whole, reduced) {
					t.Errorf("the plan was\n%+v\nand with reduced objects is\n%+v", whole, reduced)
				}
			})
		}
	}
}

func takeMirrors(w *reference.World) {
	for _, object := range w.Holders() {
		object.Labels, object.OwnerReferences = nil, []metav1.OwnerReference{{Kind: "ConfigMap", Name: "else", UID: "else"}}
	}
}

// TestReferencesShareWhatIsEqual: the statuses that references mirror of one physical Dataset are in memory once.
func TestReferencesShareWhatIsEqual(t *testing.T) {
	reducer := &reducer{}
	load := func() *reference.World {
		w := healthyWorld(t, "alluxio")
		for _, object := range objectsOf(w) {
			if _, err := reducer.reduce(object); err != nil {
				t.Fatal(err)
			}
		}
		return w
	}
	one, other := load(), load()
	for what, pair := range map[string][2]any{
		"cache states":    {one.Dataset.Status.CacheStates, other.Dataset.Status.CacheStates},
		"marks":           {one.Claim.Labels, one.Volume.Labels},
		"volume's source": {one.Volume.Spec.CSI, other.Volume.Spec.CSI},
		"mounts":          {one.Dataset.Status.Mounts, other.Dataset.Status.Mounts},
	} {
		if reflect.ValueOf(pair[0]).Pointer() != reflect.ValueOf(pair[1]).Pointer() {
			t.Errorf("the %s are in memory twice", what)
		}
	}
	message := func(w *reference.World) *byte { return unsafe.StringData(w.Dataset.Status.Conditions[0].Message) }
	if message(one) != message(other) {
		t.Error("the conditions' messages are in memory twice")
	}
}

// TestReducingAgainWritesNothingThatIsShared: client-go may reduce an object twice, while readers of the cache have what it
// shares with others. The race detector finds who writes it, if this doesn't.
func TestReducingAgainWritesNothingThatIsShared(t *testing.T) {
	for _, runtime := range referencetest.Runtimes() {
		reducer := &reducer{}
		reduce := func(w *reference.World) {
			for _, object := range objectsOf(w) {
				if !reflect.ValueOf(object).IsNil() {
					if _, err := reducer.reduce(object); err != nil {
						t.Error(err)
					}
				}
			}
		}
		cached, coming := healthyWorld(t, runtime), healthyWorld(t, runtime)
		for _, w := range []*reference.World{cached, coming} {
			for _, object := range objectsOf(w) {
				if !reflect.ValueOf(object).IsNil() {
					annotations := map[string]string{reference.AnnotationTemplate: "hash", corev1.LastAppliedConfigAnnotation: "{}"}
					object.SetAnnotations(annotations)
				}
			}
		}
		reduce(cached)
		reduce(coming)
		once := *coming.Dataset.DeepCopy()
		var group sync.WaitGroup
		group.Go(func() { reduce(coming) })
		group.Go(func() {
			for _, object := range objectsOf(cached) {
				if !reflect.ValueOf(object).IsNil() && fmt.Sprintf("%+v", object) == "" {
					t.Error("nothing is left of it")
				}
			}
		})
		group.Wait()
		if !equality.Semantic.DeepEqual(once, *coming.Dataset) {
			t.Errorf("reduced once the reference was\n%+v\nand twice it is\n%+v", once, *coming.Dataset)
		}
	}
}

// TestSharingForgets: what isn't seen any more doesn't stay for ever, and what differs is never taken for equal.
func TestSharingForgets(t *testing.T) {
	s := &shared[map[string]string]{}
	for i := range 3 * sharedMost {
		value := fmt.Sprint(i)
		if got := s.of(map[string]string{"key": value}); got["key"] != value {
			t.Fatalf("for %s it returned %v", value, got)
		}
	}
	if known := len(s.now) + len(s.old); known > 2*sharedMost {
		t.Errorf("it remembers %d values", known)
	}
	if s.of(nil) != nil {
		t.Error("nothing became something")
	}
}

// TestOtherVolumesAndDaemonSetsAreCachedWithoutContents: a cluster has many that no Dataset is concerned with.
func TestOtherVolumesAndDaemonSetsAreCachedWithoutContents(t *testing.T) {
	w := healthyWorld(t, "thin")
	volume := w.PhysicalVolume.DeepCopy()
	volume.Name = "pvc-0123"
	daemonSet := w.Fuse.DeepCopy()
	daemonSet.Name = "kube-proxy"
	for _, object := range []client.Object{volume, daemonSet} {
		if _, err := (&reducer{}).reduce(object); err != nil {
			t.Fatal(err)
		}
	}
	if volume.Spec.CSI != nil || volume.Spec.ClaimRef.Name != "phy" {
		t.Errorf("of the volume is left %+v", volume.Spec)
	}
	if !equality.Semantic.DeepEqual(daemonSet.Spec, appsv1.DaemonSetSpec{}) {
		t.Errorf("of the DaemonSet is left %+v", daemonSet.Spec)
	}
	if w.Fuse.Spec.Template.Spec.Containers[0].Name == "" || w.PhysicalVolume.Spec.CSI == nil {
		t.Error("the fixture has nothing to lose")
	}
}
