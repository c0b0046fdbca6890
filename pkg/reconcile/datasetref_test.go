package reconcile

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
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
		"its first status, Bound, which follows from its being listed": {ref, withPhase(ref, datav1alpha1.BoundPhase), false},
		"its first status, which says what it waits for":               {ref, withPhase(ref, datav1alpha1.NotBoundPhase), true},
		"another status":        {withPhase(ref, datav1alpha1.BoundPhase), withPhase(ref, datav1alpha1.NotBoundPhase), false},
		"a finalizer":           {ref, changed(ref, func(d *datav1alpha1.Dataset) { d.Finalizers = []string{"x"} }), false},
		"another source":        {ref, dataset("ref", "refdemo", "dataset://default/other"), true},
		"no reference any more": {ref, dataset("ref", "refdemo", "https://example.com/"), true},
		"a reference now":       {dataset("ref", "refdemo", "https://example.com/"), ref, true},
		"the physical's status": {physical, changed(physical, func(d *datav1alpha1.Dataset) { d.Status.DatasetRef = nil }), true},
	} {
		if got := changesAList(test.before, test.after); got != test.want {
			t.Errorf("%s: looked at: %v", name, got)
		}
	}
}

// TestReferencesAreDueByTheirClaimOrTheirStatus: the table of due, and which change of a status makes a reference due.
func TestReferencesAreDueByTheirClaimOrTheirStatus(t *testing.T) {
	ref := dataset("ref", "refdemo", "dataset://default/phy")
	for _, test := range []struct {
		phase                 datav1alpha1.DatasetPhase
		alone, claimed, event bool
	}{
		{datav1alpha1.NonePhase, false, true, false},
		{datav1alpha1.NotBoundPhase, true, true, true},
		{datav1alpha1.FailedPhase, true, true, true},
		{datav1alpha1.BoundPhase, true, true, false},
	} {
		now := withPhase(ref, test.phase)
		if alone, claimed, event := due(now, false), due(now, true), dueByStatus(ref, now); alone != test.alone || claimed != test.claimed || event != test.event {
			t.Errorf("phase %q: due without claim %t, with claim %t, by the change of status %t", test.phase, alone, claimed, event)
		}
		if dueByStatus(now, now) {
			t.Errorf("phase %q: a change of something else makes it due", test.phase)
		}
	}
}

func withPhase(dataset *datav1alpha1.Dataset, phase datav1alpha1.DatasetPhase) *datav1alpha1.Dataset {
	dataset = dataset.DeepCopy()
	dataset.Status.Phase = phase
	return dataset
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
	if p.ends.Len() != 0 {
		t.Errorf("pauses that are over are kept: %d", p.ends.Len())
	}
	p.begin(long, at(500), at(60_500))
	want(long, 60_500, 1000)
}

// lists is a DatasetRefReconciler on a fake API server that has the physical Dataset default/phy.
type lists struct {
	reconciler *DatasetRefReconciler
	server     client.Client
	cached     *datav1alpha1.Dataset // what the reconciler reads; nil if that is what the server has
	writes     int
}

func newLists(t *testing.T, objects ...client.Object) *lists {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(datav1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	physical := dataset("default", "phy", "https://example.com/")
	server := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&datav1alpha1.Dataset{}, indexPhysical, physicalOf).
		WithStatusSubresource(physical).WithObjects(append(objects, physical)...).Build()
	l := &lists{server: server}
	l.reconciler = &DatasetRefReconciler{Sharing: reference.SharingOpen, Client: interceptor.NewClient(server, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if dataset, ok := object.(*datav1alpha1.Dataset); ok && l.cached != nil {
				l.cached.DeepCopyInto(dataset)
				return nil
			}
			return c.Get(ctx, key, object, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			l.writes++
			return c.SubResource(name).Patch(ctx, object, patch, options...)
		},
	})}
	return l
}

// physical returns what the server has.
func (l *lists) physical(t *testing.T) *datav1alpha1.Dataset {
	t.Helper()
	physical := &datav1alpha1.Dataset{}
	if err := l.server.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "phy"}, physical); err != nil {
		t.Fatal(err)
	}
	return physical
}

// wantAfterReconcile reconciles as if there was no pause, and compares the number of writes so far and the list.
func (l *lists) wantAfterReconcile(t *testing.T, writes int, list ...string) {
	t.Helper()
	l.reconciler.pauses = pauses{}
	if _, err := l.reconciler.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Namespace: "default", Name: "phy"}}); err != nil {
		t.Fatal(err)
	}
	if got := l.physical(t).Status.DatasetRef; l.writes != writes || !slices.Equal(got, list) {
		t.Errorf("after %d writes the list is %q, want %q after %d", l.writes, got, list, writes)
	}
}

// TestAListIsWrittenWhenOneIsDue: with all that are known by then, so that many references that are made at once don't cost
// a write each.
func TestAListIsWrittenWhenOneIsDue(t *testing.T) {
	one, two, three := dataset("ref", "one", "dataset://default/phy"), dataset("ref", "two", "dataset://default/phy"), dataset("ref", "three", "dataset://default/phy")
	l := newLists(t, two, one)
	l.wantAfterReconcile(t, 0)
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: "two"}}
	if err := l.server.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	l.wantAfterReconcile(t, 1, "ref/one", "ref/two")
	if err := l.server.Create(t.Context(), three); err != nil {
		t.Fatal(err)
	}
	l.wantAfterReconcile(t, 1, "ref/one", "ref/two")
	three.Status.Phase = datav1alpha1.NotBoundPhase
	if err := l.server.Status().Update(t.Context(), three); err != nil {
		t.Fatal(err)
	}
	l.wantAfterReconcile(t, 2, "ref/one", "ref/two", "ref/three")
	if err := l.server.Delete(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	l.wantAfterReconcile(t, 3, "ref/two", "ref/three")
}

// TestNewReferencesAreLookedAtWhenDue: as at the start of the controller.
func TestNewReferencesAreLookedAtWhenDue(t *testing.T) {
	ref := dataset("ref", "refdemo", "dataset://default/phy")
	l := newLists(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: "claimed"}})
	for name, test := range map[string]struct {
		dataset *datav1alpha1.Dataset
		want    int
	}{
		"a new reference":                {ref, 0},
		"a reference that is Bound":      {withPhase(ref, datav1alpha1.BoundPhase), 1},
		"a reference that waits":         {withPhase(ref, datav1alpha1.NotBoundPhase), 1},
		"a reference that has its claim": {dataset("ref", "claimed", "dataset://default/phy"), 1},
		"a physical Dataset":             {dataset("default", "phy", "https://example.com/"), 1},
	} {
		queue := workqueue.NewTypedRateLimitingQueue(queue.BackOff())
		l.reconciler.datasetEvents().Create(t.Context(), event.CreateEvent{Object: test.dataset}, queue)
		if queue.Len() != test.want {
			t.Errorf("%s: %d lists are looked at", name, queue.Len())
		}
		queue.ShutDown()
	}
}

// TestAClaimHasNoListLookedAtThatNeedsNoChange: of a thousand references that are made at once all but the first are listed
// before they have their claims.
func TestAClaimHasNoListLookedAtThatNeedsNoChange(t *testing.T) {
	l := newLists(t, dataset("ref", "lacking", "dataset://default/phy"), dataset("ref", "listed", "dataset://default/phy"),
		withPhase(dataset("ref", "waiting", "dataset://default/phy"), datav1alpha1.NotBoundPhase),
		dataset("ref", "early", "dataset://default/absent"), dataset("ref", "wrong", "dataset://default"), dataset("ref", "other", "https://example.com/"))
	physical := l.physical(t)
	physical.Status.DatasetRef = []string{"ref/listed"}
	if err := l.server.Status().Update(t.Context(), physical); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]types.NamespacedName{
		"lacking": {{Namespace: "default", Name: "phy"}},
		"listed":  nil,
		"waiting": nil, // its status has it listed
		"early":   nil, // the Dataset that it refers to has the list looked at when it comes
		"wrong":   nil,
		"other":   nil,
		"none":    nil,
	} {
		claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: name}}
		if got := l.reconciler.concernedByClaim(t.Context(), claim); !slices.Equal(got, want) {
			t.Errorf("the claim of %s has %v looked at, want %v", name, got, want)
		}
	}
}

// TestAListIsNotWrittenAgainFromAnOldCache: what this process has written last reaches its cache a little later; until then
// a write would only meet a conflict.
func TestAListIsNotWrittenAgainFromAnOldCache(t *testing.T) {
	due := func(name string) *datav1alpha1.Dataset {
		return withPhase(dataset("ref", name, "dataset://default/phy"), datav1alpha1.NotBoundPhase)
	}
	l := newLists(t, due("one"))
	old := l.physical(t)
	l.wantAfterReconcile(t, 1, "ref/one")
	if err := l.server.Create(t.Context(), due("two")); err != nil {
		t.Fatal(err)
	}
	l.cached = old
	l.wantAfterReconcile(t, 1, "ref/one")
	l.cached = nil
	l.wantAfterReconcile(t, 2, "ref/one", "ref/two")
}
