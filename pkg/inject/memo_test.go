package inject

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

func TestPlanningChangesNothingThatItReads(t *testing.T) {
	for _, name := range referencetest.Runtimes() {
		world := referencetest.World(t, name, physical+"/sub")
		before := encode(t, []any{world.Dataset, world.Physical, world.Fuse, world.PhysicalVolume, world.PhysicalClaim})
		sidecar := reference.NewPlan(world).Sidecar
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

// TestASidecarIsMadeOncePerChangeOfWhatItIsMadeFrom changes each object that there is, and takes each away: what depends
// on it is read again, once, and the sidecar or the refusal is what a handler that has seen nothing yet would make.
func TestASidecarIsMadeOncePerChangeOfWhatItIsMadeFrom(t *testing.T) {
	request := podRequest("ref", readPod(t, "nginx"))
	newHandler := func(m *memory) *PodHandler {
		return &PodHandler{Reader: m, MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	}
	answer := func(h *PodHandler) string {
		response := h.Handle(t.Context(), request)
		return string(response.Patch) + fmt.Sprint(response.Result)
	}
	changes := map[string]func(client.Object){
		"changed": func(object client.Object) {
			object.SetAnnotations(map[string]string{reference.AnnotationSharedWith: "others", AnnotationSidecarMode: string(ModeClassic)})
			if fuse, ok := object.(*appsv1.DaemonSet); ok {
				fuse.Spec.Template.Spec.Containers[0].Image = "example.com/new:2"
			}
		},
		"taken away": nil,
	}
	var different []string
	for _, object := range objectsOf(newMemory(t)) {
		name := fmt.Sprintf("%T %s", object, client.ObjectKeyFromObject(object))
		for what, change := range changes {
			m := newMemory(t)
			h := newHandler(m)
			before := answer(h)
			m.reads.Store(0)
			if again := answer(h); again != before || m.reads.Load() > 0 {
				t.Errorf("%s: the second pod takes %d readings and gets %s, the first got %s", name, m.reads.Load(), again, before)
			}
			m.change(t, object, change)
			want := answer(newHandler(m))
			m.reads.Store(0)
			if got := answer(h); got != want || m.reads.Load() == 0 {
				t.Errorf("%s is %s: %d readings, then %s, not %s", name, what, m.reads.Load(), got, want)
			}
			if want != before {
				different = append(different, what+" "+name)
			}
			m.reads.Store(0)
			if got := answer(h); got != want || m.reads.Load() > 0 {
				t.Errorf("%s was %s: %d more readings, then %s, not %s", name, what, m.reads.Load(), got, want)
			}
		}
	}
	for _, want := range []string{"changed *v1.DaemonSet default/phy-fuse", "taken away *v1.DaemonSet default/phy-fuse", "changed *v1alpha1.Dataset default/phy",
		"taken away *v1alpha1.Dataset default/phy", "taken away *v1alpha1.Dataset ref/refdemo", "changed *v1.PartialObjectMetadata /ref"} {
		if !slices.Contains(different, want) {
			t.Errorf("the answer is the same when there is %s; it differs for %q", want, different)
		}
	}
}

// TestNoPodGetsASidecarFromBeforeItWasSent admits pods all the time while the image of the FUSE pods changes.
func TestNoPodGetsASidecarFromBeforeItWasSent(t *testing.T) {
	m := newMemory(t)
	h := &PodHandler{Reader: m, MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	request := podRequest("ref", readPod(t, "nginx"))
	var fuse client.Object
	for _, object := range objectsOf(m) {
		if _, ok := object.(*appsv1.DaemonSet); ok {
			fuse = object
		}
	}
	var newest atomic.Int64
	publish := func(n int64) {
		m.change(t, fuse, func(changed client.Object) {
			changed.SetResourceVersion(fmt.Sprint(1000 + n))
			changed.(*appsv1.DaemonSet).Spec.Template.Spec.Containers[0].Image = fmt.Sprint("example.com/fuse:", n)
		})
		newest.Store(n)
	}
	publish(0)
	var admitting sync.WaitGroup
	for range 8 {
		admitting.Go(func() {
			for newest.Load() < 200 {
				before := newest.Load()
				response := h.Handle(t.Context(), request)
				_, image, found := bytes.Cut(response.Patch, []byte("example.com/fuse:"))
				var got int64
				if _, err := fmt.Sscanf(string(image), "%d", &got); !found || err != nil || got < before {
					t.Errorf("after image %d came %d, %v: %v %s", before, got, err, response.Result, response.Patch)
					return
				}
			}
		})
	}
	for n := range int64(200) {
		publish(n + 1)
		time.Sleep(time.Millisecond)
	}
	admitting.Wait()
}

// objectsOf lists what a memory has.
func objectsOf(m *memory) []client.Object {
	var objects []client.Object
	for _, store := range m.stores {
		for _, object := range store.List() {
			objects = append(objects, object.(client.Object))
		}
	}
	return objects
}

// readBy reads the version of a Dataset by a memo, and counts how often it is worked out.
func readBy(kept *memo[string, string], reader client.Reader, key client.ObjectKey, times *int) string {
	return kept.of(reader, key.String(), func(reader client.Reader) string {
		*times++
		dataset := &datav1alpha1.Dataset{}
		if err := reader.Get(context.Background(), key, dataset); err != nil {
			return err.Error()
		}
		return dataset.ResourceVersion
	})
}

func TestWhatComesLaterIsSeen(t *testing.T) {
	m := newMemory(t)
	var kept memo[string, string]
	times := 0
	late := client.ObjectKey{Namespace: "ref", Name: "late"}
	absent := readBy(&kept, m, late, &times)
	if again := readBy(&kept, m, late, &times); again != absent || times != 1 {
		t.Errorf("%q, and again %q, worked out %d times", absent, again, times)
	}
	m.put(t, &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: late.Namespace, Name: late.Name, ResourceVersion: "100"}})
	if now := readBy(&kept, m, late, &times); now != "100" || times != 2 {
		t.Errorf("when it is there: %q, worked out %d times", now, times)
	}
}

// TestNothingIsKeptOfWhatNobodyWatches reads what fails, what has no version, and what comes from no informer cache.
func TestNothingIsKeptOfWhatNobodyWatches(t *testing.T) {
	unversioned := newMemory(t)
	key := client.ObjectKey{Namespace: "ref", Name: "refdemo"}
	unversioned.put(t, &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}})
	for name, reader := range map[string]client.Reader{
		"forbidden":         failing{newMemory(t), apierrors.NewForbidden(schema.GroupResource{Resource: "datasets"}, key.Name, nil)},
		"without a version": unversioned,
		"a live client":     newCluster(t, "thin").reader(t),
	} {
		var kept memo[string, string]
		times := 0
		for range 3 {
			readBy(&kept, reader, key, &times)
		}
		if times != 3 {
			t.Errorf("%s: worked out %d times", name, times)
		}
	}
}

// failing can read nothing.
type failing struct {
	*memory
	err error
}

func (f failing) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return f.err
}

func TestOnlySoMuchIsKept(t *testing.T) {
	m := newMemory(t)
	var kept memo[string, string]
	times := 0
	for i := range maxKept + 100 {
		readBy(&kept, m, client.ObjectKey{Name: fmt.Sprint(i)}, &times)
	}
	if kept.kept.Len() != maxKept {
		t.Errorf("%d are kept", kept.kept.Len())
	}
}

// TestPodsGetTheVariantThatTheyAskFor admits pods that want one Dataset's sidecar in different ways, in turn.
func TestPodsGetTheVariantThatTheyAskFor(t *testing.T) {
	h := &PodHandler{Reader: newMemory(t), MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	native := readPod(t, "nginx")
	classic := bytes.Replace(native, []byte(`"metadata":{`), []byte(`"metadata":{"annotations":{"`+AnnotationSidecarMode+`":"classic"},`), 1)
	for range 2 {
		for want, raw := range map[string][]byte{"/spec/initContainers": native, "/spec/containers": classic} {
			response := h.Handle(t.Context(), podRequest("ref", raw))
			if !bytes.Contains(response.Patch, []byte(`"path":"`+want)) || bytes.Contains(response.Patch, []byte("initContainers")) != (want == "/spec/initContainers") {
				t.Errorf("for %s: %+v %s", want, response.Result, response.Patch)
			}
		}
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
