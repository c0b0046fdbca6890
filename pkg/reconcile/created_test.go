package reconcile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestWhatWasCreatedIsAwaited: until the caches have it, or it must have been deleted again.
func TestWhatWasCreatedIsAwaited(t *testing.T) {
	mirror := finding.Object{Kind: "ConfigMap", Namespace: "ref", Name: "refdemo-mirror"}
	for _, object := range []finding.Object{
		{Kind: datav1alpha1.ThinRuntimeKind, Namespace: "ref", Name: "refdemo"},
		{Kind: "PersistentVolume", Name: "ref-refdemo"},
		{Kind: "PersistentVolumeClaim", Namespace: "ref", Name: "refdemo"},
		mirror,
	} {
		now := time.Now()
		world := reference.NewWorld(dataset("ref", "refdemo", "dataset://default/phy"), reference.Policy{})
		world.Seen[object] = reference.State{}
		c := &created{}
		want := func(after, left time.Duration) {
			t.Helper()
			if got := c.awaited(world, now.Add(after)); got != left {
				t.Errorf("%s is awaited for %s after %s, want %s", object, got, after, left)
			}
		}
		want(0, 0)
		c.note(world.Key(), object, now)
		want(0, cacheDelay)
		want(cacheDelay-time.Millisecond, time.Millisecond)
		want(cacheDelay, 0)
		want(0, 0) // it isn't awaited any more
		c.note(world.Key(), object, now)
		world.Seen[object] = reference.State{Object: &metav1.PartialObjectMetadata{}}
		want(0, 0)
		c.note(world.Key(), object, now)
		c.forget(world.Key())
		if c.objects.Len() > 0 {
			t.Errorf("it remembers %d", c.objects.Len())
		}
	}
}

// TestWhatNobodyLooksForIsNotAwaited: of a reference that can't be had nobody looks for mirrors.
func TestWhatNobodyLooksForIsNotAwaited(t *testing.T) {
	world := &reference.World{Dataset: dataset("ref", "refdemo", "dataset://default/phy")}
	c := &created{}
	for _, kind := range []string{"ConfigMap", "DaemonSet"} {
		c.note(world.Key(), finding.Object{Kind: kind, Namespace: "ref", Name: "x"}, time.Now())
	}
	if left := c.awaited(world, time.Now()); left > 0 {
		t.Errorf("it waits %s", left)
	}
}

// TestNothingIsCreatedAgainBeforeTheCacheHasIt: the events of a reference's other objects have it reconciled while the cache
// doesn't have its claim yet.
func TestNothingIsCreatedAgainBeforeTheCacheHasIt(t *testing.T) {
	livetest.NeedCluster(t)
	var mutex sync.Mutex
	creations := map[client.ObjectKey][]time.Time{} // of claims, those of other tests' references too
	created := func(key client.ObjectKey) []time.Time {
		mutex.Lock()
		defer mutex.Unlock()
		return slices.Clone(creations[key])
	}
	livetest.StartManager(t, func(manager ctrl.Manager) error {
		c := interceptor.NewClient(livetest.WithWatch(client.WithFieldOwner(manager.GetClient(), reference.FieldManager)), interceptor.Funcs{
			Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
				if claim, ok := object.(*corev1.PersistentVolumeClaim); ok {
					mutex.Lock()
					key := client.ObjectKeyFromObject(claim)
					creations[key] = append(creations[key], time.Now())
					mutex.Unlock()
				}
				return c.Create(ctx, object, options...)
			},
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if _, ok := object.(*corev1.PersistentVolumeClaim); ok {
					if times := created(key); len(times) > 0 && time.Since(times[0]) < cacheDelay/2 {
						return apierrors.NewNotFound(corev1.Resource("persistentvolumeclaims"), key.Name)
					}
				}
				return c.Get(ctx, key, object, options...)
			},
		})
		references := &ReferenceReconciler{Client: c, Live: manager.GetAPIReader(), Recorder: events.NewFakeRecorder(1000), MirrorNames: reference.UniqueNames, Now: time.Now}
		return errors.Join(AddIndexes(t.Context(), manager), references.SetupWithManager(manager), (&DatasetRefReconciler{Client: manager.GetClient()}).SetupWithManager(manager))
	})
	ref := newBoundReference(t, newPhysicalOf(t, "alluxio"))
	if made := created(client.ObjectKeyFromObject(ref)); len(made) != 1 {
		t.Errorf("its claim was created %d times", len(made))
	}
}
