package reconcile

import (
	"context"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestOnlyWhatChangesAListIsLookedAt: of what happens to a reference, its status changes most often, and no list by that.
func TestOnlyWhatChangesAListIsLookedAt(t *testing.T) {
	changed := func(ref *datav1alpha1.Dataset, change func(*datav1alpha1.Dataset)) *datav1alpha1.Dataset {
		ref = ref.DeepCopy()
		change(ref)
		return ref
	}
	ref, physical := dataset("ref", "refdemo", "dataset://default/phy"), dataset("default", "phy", "https://example.com/")
	for name, test := range map[string]struct {
		before, after *datav1alpha1.Dataset
		want          bool
	}{
		"a reference's status":  {ref, changed(ref, func(d *datav1alpha1.Dataset) { d.Status.Phase = datav1alpha1.BoundPhase }), false},
		"a finalizer":           {ref, changed(ref, func(d *datav1alpha1.Dataset) { d.Finalizers = []string{"x"} }), false},
		"another source":        {ref, dataset("ref", "refdemo", "dataset://default/other"), true},
		"no reference any more": {ref, dataset("ref", "refdemo", "https://example.com/"), true},
		"a reference now":       {dataset("ref", "refdemo", "https://example.com/"), ref, true},
		"the physical's status": {physical, changed(physical, func(d *datav1alpha1.Dataset) { d.Status.DatasetRef = nil }), true},
	} {
		if got := refersAnew().Update(event.UpdateEvent{ObjectOld: test.before, ObjectNew: test.after}); got != test.want {
			t.Errorf("%s: looked at: %v", name, got)
		}
	}
	if !refersAnew().Create(event.CreateEvent{Object: ref}) || !refersAnew().Delete(event.DeleteEvent{Object: ref}) {
		t.Error("references that come or go aren't looked at")
	}
}

// TestListsAreWrittenForAFifthOfTheTime: each list by itself, and never with a pause that somebody would notice.
func TestListsAreWrittenForAFifthOfTheTime(t *testing.T) {
	p := &pauses{}
	long, other := types.NamespacedName{Name: "long"}, types.NamespacedName{Name: "other"}
	now := time.Now()
	at := func(milliseconds int) time.Time { return now.Add(time.Duration(milliseconds) * time.Millisecond) }
	want := func(key types.NamespacedName, milliseconds, left int) {
		t.Helper()
		if got := p.left(key, at(milliseconds)); max(got, 0) != time.Duration(left)*time.Millisecond {
			t.Errorf("after %d ms, %s waits %s, not %d ms", milliseconds, key.Name, got, left)
		}
	}
	want(long, 0, 0)
	p.begin(long, at(0), at(100))
	want(long, 100, 400)
	want(long, 499, 1)
	want(other, 100, 0)
	want(long, 500, 0)
	if len(p.ends) != 0 {
		t.Errorf("pauses that are over are kept: %v", p.ends)
	}
	p.begin(long, at(500), at(60_500))
	want(long, 60_500, 1000)
}

// TestAListIsNotWrittenAgainFromAnOldCache: what this process has written last reaches its cache a little later; until then
// a write would only meet a conflict.
func TestAListIsNotWrittenAgainFromAnOldCache(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := datav1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	physical := dataset("default", "phy", "https://example.com/")
	server := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&datav1alpha1.Dataset{}, indexPhysical, physicalOf).
		WithStatusSubresource(physical).WithObjects(physical, dataset("ref", "one", "dataset://default/phy")).Build()
	var cached *datav1alpha1.Dataset // nil while the cache has what the server has
	writes := 0
	c := interceptor.NewClient(server, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if cached != nil {
				cached.DeepCopyInto(object.(*datav1alpha1.Dataset))
				return nil
			}
			return c.Get(ctx, key, object, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			writes++
			return c.SubResource(name).Patch(ctx, object, patch, options...)
		},
	})
	r := &DatasetRefReconciler{Client: c, Sharing: reference.SharingOpen}
	key := client.ObjectKeyFromObject(physical)
	reconcileAfterPauses := func() {
		t.Helper()
		r.pauses = pauses{}
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: key}); err != nil {
			t.Fatal(err)
		}
	}
	old := &datav1alpha1.Dataset{}
	if err := server.Get(t.Context(), key, old); err != nil {
		t.Fatal(err)
	}
	reconcileAfterPauses()
	if err := server.Create(t.Context(), dataset("ref", "two", "dataset://default/phy")); err != nil {
		t.Fatal(err)
	}
	cached = old
	reconcileAfterPauses()
	if writes != 1 {
		t.Errorf("%d writes, one of them from the old state", writes)
	}
	cached = nil
	reconcileAfterPauses()
	got := &datav1alpha1.Dataset{}
	if err := server.Get(t.Context(), key, got); err != nil {
		t.Fatal(err)
	}
	if writes != 2 || !slices.Equal(got.Status.DatasetRef, []string{"ref/one", "ref/two"}) {
		t.Errorf("after %d writes the list is %v", writes, got.Status.DatasetRef)
	}
}
