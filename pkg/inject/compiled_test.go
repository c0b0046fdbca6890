package inject

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// versioned gives every object of a World a version.
func versioned(w *reference.World) *reference.World {
	w.RuntimeStatus, w.Sources, w.Taken = nil, nil, nil
	w.Dataset.ResourceVersion, w.Physical.ResourceVersion, w.Fuse.ResourceVersion = "1", "2", "3"
	w.PhysicalVolume.ResourceVersion, w.PhysicalClaim.ResourceVersion = "4", "5"
	w.ThinRuntime = &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Name: "refdemo", ResourceVersion: "6"}}
	w.Runtime = &unstructured.Unstructured{Object: map[string]any{}}
	w.Runtime.SetResourceVersion("9")
	w.Volume = &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "ref-refdemo", ResourceVersion: "7"}}
	w.Claim = &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "refdemo", ResourceVersion: "8"}}
	return w
}

// TestEveryObjectOfAWorldIsInItsVersions finds the objects by reflection, so that one which a World gets later isn't
// forgotten: a sidecar made from it would outlive its change.
func TestEveryObjectOfAWorldIsInItsVersions(t *testing.T) {
	world := versioned(referencetest.World(t, "thin", physical))
	before, known := versionsOf(world)
	if !known {
		t.Fatal("the World isn't known")
	}
	fields := reflect.ValueOf(world).Elem()
	for i := range fields.NumField() {
		name, field := fields.Type().Field(i).Name, fields.Field(i)
		object, isObject := field.Interface().(metav1.Object)
		switch {
		case isObject:
			for what, change := range map[string]func(){
				"version": func() { object.SetResourceVersion(object.GetResourceVersion() + "0") },
				"UID":     func() { object.SetUID(object.GetUID() + "0") },
				"absence": func() { field.SetZero() },
			} {
				kept := field.Interface()
				field.Set(reflect.ValueOf(kept.(runtime.Object).DeepCopyObject()))
				object = field.Interface().(metav1.Object)
				change()
				if after, _ := versionsOf(world); after == before {
					t.Errorf("the %s of %s doesn't count", what, name)
				}
				field.Set(reflect.ValueOf(kept))
			}
			object = field.Interface().(metav1.Object)
			object.SetResourceVersion("")
			if _, known := versionsOf(world); known {
				t.Errorf("without a version of %s the World is known", name)
			}
			world = versioned(world)
		case name == "MirrorNames" || name == "Sharing": // part of the key
		default:
			if _, known := versionsOf(world); !known {
				t.Errorf("the World is not known before %s", name)
			}
			if field.Kind() == reflect.Map {
				field.Set(reflect.MakeMap(field.Type()))
				if name == "Unread" {
					world.Unread[reference.Object{}] = "forbidden"
				}
			} else {
				field.Set(reflect.New(field.Type().Elem()))
			}
			if _, known := versionsOf(world); known {
				t.Errorf("a World with %s is known", name)
			}
			field.SetZero()
		}
	}
}

func TestPlanningChangesNothingThatItReads(t *testing.T) {
	for _, name := range referencetest.Runtimes() {
		world := referencetest.World(t, name, physical+"/sub")
		before := encode(t, []any{world.Dataset, world.Physical, world.Fuse, world.PhysicalVolume, world.PhysicalClaim})
		sidecar, _ := planReference(world)
		Compile(sidecar, Variant{SelfHealing: true})
		if after := encode(t, []any{world.Dataset, world.Physical, world.Fuse, world.PhysicalVolume, world.PhysicalClaim}); !bytes.Equal(before, after) {
			t.Errorf("%s: it was %s and is %s", name, before, after)
		}
		planned := encode(t, sidecar)
		Compile(sidecar, Variant{})
		if after := encode(t, sidecar); !bytes.Equal(planned, after) {
			t.Errorf("%s: the sidecar was %s and is %s", name, planned, after)
		}
	}
}

// TestASidecarIsMadeOncePerChangeOfItsSources changes the FUSE pods, the consent, and the reference.
func TestASidecarIsMadeOncePerChangeOfItsSources(t *testing.T) {
	c := newCluster(t, "thin")
	reader := c.reader(t)
	writer := reader.Reader.(client.Client)
	handler := &PodHandler{Reader: reader, MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	admit := func() (allowed bool, text string) {
		response := handler.Handle(t.Context(), podRequest("ref", readPod(t, "nginx")))
		return response.Allowed, string(response.Patch) + fmt.Sprint(response.Result)
	}
	change := func(object client.Object, key types.NamespacedName, change func()) {
		t.Helper()
		if err := writer.Get(t.Context(), key, object); err != nil {
			t.Fatal(err)
		}
		change()
		if err := writer.Update(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	kept := func() int { return handler.compiled.cache.Len() }

	_, first := admit()
	if allowed, again := admit(); !allowed || first != again || kept() != 1 {
		t.Errorf("the second pod gets %s, the first got %s; %d sidecars are kept", again, first, kept())
	}
	fuse := &appsv1.DaemonSet{}
	change(fuse, client.ObjectKeyFromObject(c.fuse), func() { fuse.Spec.Template.Spec.Containers[0].Image = "example.com/new:2" })
	if allowed, now := admit(); !allowed || !bytes.Contains([]byte(now), []byte("example.com/new:2")) || kept() != 2 {
		t.Errorf("with another image: %s; %d sidecars are kept", now, kept())
	}
	phy := &datav1alpha1.Dataset{}
	key := client.ObjectKeyFromObject(c.physical)
	change(phy, key, func() { phy.Annotations = map[string]string{reference.AnnotationSharedWith: "others"} })
	for range 2 {
		if allowed, now := admit(); allowed || len(codes(now)) != 1 || codes(now)[0] != reference.CodeNotShared {
			t.Errorf("when it isn't shared any more: %s", now)
		}
	}
	change(phy, key, func() { phy.Annotations = nil })
	if allowed, now := admit(); !allowed {
		t.Errorf("when it is shared again: %s", now)
	}
	if err := writer.Delete(t.Context(), fuse); err != nil {
		t.Fatal(err)
	}
	if allowed, now := admit(); allowed || codes(now)[0] != reference.CodeFuseMissing {
		t.Errorf("without FUSE pods: %s", now)
	}
}

func TestNothingIsKeptOfWhatCouldNotBeRead(t *testing.T) {
	c := newCluster(t, "thin")
	world := versioned(referencetest.World(t, "thin", physical))
	world.Unread = map[reference.Object]string{{Kind: "DaemonSet", Namespace: "default", Name: c.fuse.Name}: "forbidden"}
	var keeper compiled
	plans := 0
	for range 3 {
		keeper.of(world, Variant{}, func() (*reference.Sidecar, reference.Findings) { plans++; return nil, nil })
	}
	if plans != 3 || keeper.cache.Len() != 0 {
		t.Errorf("%d plans, %d kept", plans, keeper.cache.Len())
	}
}

func TestOnlySoManySidecarsAreKept(t *testing.T) {
	world := versioned(referencetest.World(t, "thin", physical))
	var keeper compiled
	for i := range maxCompiled + 100 {
		world.Physical.ResourceVersion = fmt.Sprint(i)
		keeper.of(world, Variant{}, func() (*reference.Sidecar, reference.Findings) { return nil, nil })
	}
	if keeper.cache.Len() != maxCompiled {
		t.Errorf("%d are kept", keeper.cache.Len())
	}
}

// TestVariantsAreKeptApart asks for one Dataset's sidecar in two ways.
func TestVariantsAreKeptApart(t *testing.T) {
	world := versioned(referencetest.World(t, "thin", physical))
	var keeper compiled
	plans := 0
	plan := func() (*reference.Sidecar, reference.Findings) {
		plans++
		return dataset{runtime: "thin", mountPoint: physical}.sidecar(t, "refdemo"), nil
	}
	healing, _ := keeper.of(world, Variant{SelfHealing: true}, plan)
	other, _ := keeper.of(world, Variant{}, plan)
	again, _ := keeper.of(world, Variant{SelfHealing: true}, plan)
	if healing == other || healing != again || plans != 2 {
		t.Errorf("%d plans; the same %t, %t", plans, healing == other, healing == again)
	}
}

// BenchmarkAdmission compares the handler with the usual way of patching alone, in the same run. The cluster's objects
// come from memory.
func BenchmarkAdmission(b *testing.B) {
	sidecar := dataset{runtime: "alluxio", mountPoint: physical}.sidecar(b, "refdemo")
	handler := &PodHandler{Reader: newMemory(b), MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	for _, size := range []int{2_000, 13_000, 123_000, 1_000_000} {
		raw := podOfSize(b, size)
		request := podRequest("ref", raw)
		compareWays(b, raw, sidecar, "handler", func() []byte { return handler.Handle(context.Background(), request).Patch })
	}
}
