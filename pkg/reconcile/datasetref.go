package reconcile

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// DatasetRefReconciler keeps status.datasetRef of physical Datasets: the list of the references to each, by which
// Fluid's dataset-controller and this project's ThinRuntime engine know that a Dataset is in use and mustn't go.
//
// One reconcile writes the whole list of one physical Dataset, so that many references to it don't contend for it.
type DatasetRefReconciler struct {
	Client client.Client
	// Sharing says whose consent references need: one without it doesn't keep the physical Dataset from being deleted.
	Sharing reference.Sharing

	pauses  pauses
	written written
}

// datasetRefWorkers is how many lists are written at a time, each of another Dataset.
const datasetRefWorkers = 8

// SetupWithManager adds the reconciler to a manager. AddIndexes must have been called.
func (r *DatasetRefReconciler) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("datasetref").
		WithOptions(controller.Options{MaxConcurrentReconciles: datasetRefWorkers, RateLimiter: backOff()}).
		Watches(&datav1alpha1.Dataset{}, handler.EnqueueRequestsFromMapFunc(concernedPhysical), builder.WithPredicates(refersAnew())).
		Complete(r)
}

// refersAnew leaves out changes of references that refer to the same Dataset as before: if its list were looked through at
// each of them, the work for many references to one Dataset would grow with the square of their number.
func refersAnew() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*datav1alpha1.Dataset), e.ObjectNew.(*datav1alpha1.Dataset)
		return !reference.IsReference(before) || !reference.IsReference(after) ||
			!slices.EqualFunc(before.Spec.Mounts, after.Spec.Mounts, func(a, b datav1alpha1.Mount) bool { return a.MountPoint == b.MountPoint })
	}}
}

// concernedPhysical is the physical Dataset of a reference, before and after a change, and every other Dataset itself.
func concernedPhysical(_ context.Context, object client.Object) []reconcile.Request {
	dataset := object.(*datav1alpha1.Dataset)
	if !reference.IsReference(dataset) {
		return requests([]types.NamespacedName{client.ObjectKeyFromObject(dataset)})
	}
	if source, err := reference.SourceOf(dataset); err == nil {
		return requests([]types.NamespacedName{source.Key()})
	}
	return nil
}

// Reconcile writes the list of references to one physical Dataset if it isn't right.
func (r *DatasetRefReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if left := r.pauses.left(request.NamespacedName, time.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	physical := &datav1alpha1.Dataset{}
	if err := r.Client.Get(ctx, request.NamespacedName, physical); err != nil {
		r.written.forget(request.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if reference.IsReference(physical) || r.written.isBehind(request.NamespacedName, physical.ResourceVersion) {
		return ctrl.Result{}, nil
	}
	references, err := referencesTo(ctx, r.Client, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	references = slices.DeleteFunc(references, func(ref datav1alpha1.Dataset) bool {
		source := reference.Source{Namespace: physical.Namespace, Name: physical.Name}
		return reference.ConsentOf(r.Sharing, physical, source, ref.Namespace) == reference.ConsentWithheld
	})
	names := datasetRefs(physical.Status.DatasetRef, references)
	if slices.Equal(names, physical.Status.DatasetRef) {
		return ctrl.Result{}, nil
	}
	before := physical.DeepCopy()
	physical.Status.DatasetRef = names
	if physical.Status.Conditions == nil {
		// The CRD requires the field; a Dataset that nobody has looked at yet doesn't have it.
		physical.Status.Conditions = []datav1alpha1.DatasetCondition{}
		before.Status.Conditions = nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	started := time.Now()
	err = r.Client.Status().Patch(ctx, physical, patch)
	r.pauses.begin(request.NamespacedName, started, time.Now())
	r.written.note(request.NamespacedName, before.ResourceVersion, physical.ResourceVersion)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("patching status.datasetRef of Dataset %s: %w", request, err)
	}
	return ctrl.Result{}, nil
}

// pauses keeps the writes of each list to a fifth of the time, since the API server takes longer for a longer list: after one
// write, the next waits four times as long as it took. References that come meanwhile are in that one.
type pauses struct {
	mutex sync.Mutex
	ends  map[types.NamespacedName]time.Time
}

// longestPause is the most that a reference waits for a write of its list because of the write before.
const longestPause = time.Second

// begin notes that a list was written.
func (p *pauses) begin(key types.NamespacedName, started, ended time.Time) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.ends == nil {
		p.ends = map[types.NamespacedName]time.Time{}
	}
	p.ends[key] = ended.Add(min(4*ended.Sub(started), longestPause))
}

// left returns how long the next write of a list has to wait.
func (p *pauses) left(key types.NamespacedName, now time.Time) time.Duration {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	end, ok := p.ends[key]
	if ok && !now.Before(end) {
		delete(p.ends, key)
		return 0
	}
	return end.Sub(now)
}

// datasetRefs returns the names of the references: those that are listed already in their order, then the others.
func datasetRefs(listed []string, references []datav1alpha1.Dataset) []string {
	existing := make(map[string]bool, len(references))
	for i := range references {
		existing[client.ObjectKeyFromObject(&references[i]).String()] = true
	}
	var names []string
	for _, name := range listed {
		if existing[name] {
			names = append(names, name)
			delete(existing, name)
		}
	}
	kept := len(names)
	for name := range existing {
		names = append(names, name)
	}
	slices.Sort(names[kept:])
	return names
}
