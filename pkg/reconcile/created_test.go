package reconcile

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestWhatWasCreatedIsAwaited: until the caches have it, or it must have been deleted again.
func TestWhatWasCreatedIsAwaited(t *testing.T) {
	mirror := reference.Object{Kind: "ConfigMap", Namespace: "ref", Name: "refdemo-mirror"}
	for _, test := range []struct {
		object reference.Object
		comes  func(*reference.World)
	}{
		{reference.Object{Kind: datav1alpha1.ThinRuntimeKind, Namespace: "ref", Name: "refdemo"},
			func(w *reference.World) { w.ThinRuntime = &datav1alpha1.ThinRuntime{} }},
		{reference.Object{Kind: "PersistentVolume", Name: "ref-refdemo"}, func(w *reference.World) { w.Volume = &corev1.PersistentVolume{} }},
		{reference.Object{Kind: "PersistentVolumeClaim", Namespace: "ref", Name: "refdemo"},
			func(w *reference.World) { w.Claim = &corev1.PersistentVolumeClaim{} }},
		{mirror, func(w *reference.World) { w.Taken[mirror] = &metav1.PartialObjectMetadata{} }},
	} {
		now := time.Now()
		world := &reference.World{Dataset: dataset("ref", "refdemo", "dataset://default/phy"), Taken: map[reference.Object]*metav1.PartialObjectMetadata{}}
		c := &created{}
		want := func(after, left time.Duration) {
			t.Helper()
			if got := c.awaited(world, now.Add(after)); got != left {
				t.Errorf("%s is awaited for %s after %s, want %s", test.object, got, after, left)
			}
		}
		want(0, 0)
		c.note(world.Key(), test.object, now)
		want(0, cacheDelay)
		want(cacheDelay-time.Millisecond, time.Millisecond)
		want(cacheDelay, 0)
		want(0, 0) // it isn't awaited any more
		c.note(world.Key(), test.object, now)
		test.comes(world)
		want(0, 0)
		c.note(world.Key(), test.object, now)
		c.forget(world.Key())
		if len(c.objects) > 0 {
			t.Errorf("it remembers %v", c.objects)
		}
	}
}

// TestWhatNobodyLooksForIsNotAwaited: of a reference that can't be had nobody looks for mirrors.
func TestWhatNobodyLooksForIsNotAwaited(t *testing.T) {
	world := &reference.World{Dataset: dataset("ref", "refdemo", "dataset://default/phy")}
	c := &created{}
	for _, kind := range []string{"ConfigMap", "DaemonSet"} {
		c.note(world.Key(), reference.Object{Kind: kind, Namespace: "ref", Name: "x"}, time.Now())
	}
	if left := c.awaited(world, time.Now()); left > 0 {
		t.Errorf("it waits %s", left)
	}
}
