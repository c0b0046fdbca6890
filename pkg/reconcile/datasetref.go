package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/statuspatch"
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
		WithOptions(controller.Options{MaxConcurrentReconciles: datasetRefWorkers, RateLimiter: queue.BackOff()}).
		Watches(&datav1alpha1.Dataset{}, r.datasetEvents()).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(r.concernedByClaim), builder.WithPredicates(comes())).
		Complete(r)
}

// datasetEvents enqueues for Datasets that come, go or change in a way that can change a list.
func (r *DatasetRefReconciler) datasetEvents() handler.EventHandler {
	enqueue := handler.EnqueueRequestsFromMapFunc(concernedPhysical)
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, requests workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			if dataset := e.Object.(*datav1alpha1.Dataset); !reference.IsReference(dataset) || r.isDue(ctx, dataset) {
				enqueue.Create(ctx, e, requests)
			}
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, requests workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			if changesAList(e.ObjectOld.(*datav1alpha1.Dataset), e.ObjectNew.(*datav1alpha1.Dataset)) {
				enqueue.Update(ctx, e, requests)
			}
		},
		DeleteFunc: enqueue.Delete,
	}
}

// changesAList leaves out changes of references that refer to the same Dataset as before and aren't due by them: if its list
// were looked through at each, the work for many references to one Dataset would grow with the square of their number.
func changesAList(before, after *datav1alpha1.Dataset) bool {
	blocked := before.Status.Phase == datav1alpha1.NonePhase && after.Status.Phase != datav1alpha1.NonePhase && after.Status.Phase != datav1alpha1.BoundPhase
	return blocked || !reference.IsReference(before) || !reference.IsReference(after) ||
		!slices.EqualFunc(before.Spec.Mounts, after.Spec.Mounts, func(a, b datav1alpha1.Mount) bool { return a.MountPoint == b.MountPoint })
}

// comes leaves out all but new objects.
func comes() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(event.UpdateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
}

// concernedByClaim is the physical Dataset of the reference that the claim is of, if the claim makes it due: one that has a
// status is due by that. Nor is one that is listed already, along with another: with many references to one Dataset nearly
// all are, and looking through all of them for each claim would be work that grows with the square of their number.
func (r *DatasetRefReconciler) concernedByClaim(ctx context.Context, claim client.Object) []reconcile.Request {
	ref := &datav1alpha1.Dataset{}
	key := client.ObjectKeyFromObject(claim)
	if r.Client.Get(ctx, key, ref, client.UnsafeDisableDeepCopy) != nil || ref.Status.Phase != datav1alpha1.NonePhase || !reference.IsReference(ref) {
		return nil
	}
	source, err := reference.SourceOf(ref)
	if err != nil {
		return nil
	}
	physical := &datav1alpha1.Dataset{}
	if r.Client.Get(ctx, source.Key(), physical, client.UnsafeDisableDeepCopy) != nil || slices.Contains(physical.Status.DatasetRef, key.String()) {
		return nil // it isn't there yet, or done
	}
	return queue.Requests([]types.NamespacedName{source.Key()})
}

// isDue reports whether a reference has to be listed: it has its claim, so that pods can use it, or its status says what it
// waits for. One that is only being made is listed along with another that is due, so that of many that are made at once
// each doesn't cost a write of the list.
func (r *DatasetRefReconciler) isDue(ctx context.Context, ref *datav1alpha1.Dataset) bool {
	if ref.Status.Phase != datav1alpha1.NonePhase {
		return true
	}
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(ref), &corev1.PersistentVolumeClaim{}, client.UnsafeDisableDeepCopy)
	return !apierrors.IsNotFound(err)
}

// concernedPhysical is the physical Dataset of a reference, before and after a change, and every other Dataset itself.
func concernedPhysical(_ context.Context, object client.Object) []reconcile.Request {
	dataset := object.(*datav1alpha1.Dataset)
	if !reference.IsReference(dataset) {
		return queue.Requests([]types.NamespacedName{client.ObjectKeyFromObject(dataset)})
	}
	if source, err := reference.SourceOf(dataset); err == nil {
		return queue.Requests([]types.NamespacedName{source.Key()})
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
	kept, lacking := divide(physical.Status.DatasetRef, references)
	isDue := func(ref *datav1alpha1.Dataset) bool { return r.isDue(ctx, ref) }
	if len(kept) == len(physical.Status.DatasetRef) && !slices.ContainsFunc(lacking, isDue) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, r.write(ctx, physical, slices.Concat(kept, keysOf(lacking)))
}

// write gives a physical Dataset another list.
func (r *DatasetRefReconciler) write(ctx context.Context, physical *datav1alpha1.Dataset, list []string) error {
	key, read, wanted := client.ObjectKeyFromObject(physical), physical.ResourceVersion, physical.Status
	wanted.DatasetRef = list
	if wanted.Conditions == nil {
		// The CRD requires the field; a Dataset that nobody has looked at yet doesn't have it.
		wanted.Conditions = []datav1alpha1.DatasetCondition{}
	}
	started := time.Now()
	err := statuspatch.Write(ctx, r.Client, physical, physical.Status, wanted)
	r.pauses.begin(key, started, time.Now())
	r.written.note(key, read, physical.ResourceVersion)
	return err
}

// pauses keeps the writes of each list to a fifth of the time, since the API server takes longer for a longer list: after one
// write, the next waits four times as long as it took. References that come meanwhile are in that one.
type pauses struct {
	ends memory.Of[types.NamespacedName, time.Time]
}

// begin notes that a list was written.
func (p *pauses) begin(key types.NamespacedName, started, ended time.Time) {
	p.ends.Put(key, ended.Add(min(4*ended.Sub(started), longestPause)))
}

// left returns how long the next write of a list has to wait.
func (p *pauses) left(key types.NamespacedName, now time.Time) (left time.Duration) {
	p.ends.Update(key, func(end time.Time, _ bool) (time.Time, bool) {
		left = max(0, end.Sub(now))
		return end, left > 0
	})
	return left
}

// divide returns the names of a list that are of references, in their order, and the references that it lacks.
func divide(list []string, references []datav1alpha1.Dataset) (kept []string, lacking []*datav1alpha1.Dataset) {
	unlisted := make(map[string]*datav1alpha1.Dataset, len(references))
	for i := range references {
		unlisted[client.ObjectKeyFromObject(&references[i]).String()] = &references[i]
	}
	for _, name := range list {
		if unlisted[name] != nil {
			kept = append(kept, name)
			delete(unlisted, name)
		}
	}
	return kept, slices.Collect(maps.Values(unlisted))
}

// keysOf returns the names of references as a list has them, sorted.
func keysOf(references []*datav1alpha1.Dataset) []string {
	var names []string
	for _, ref := range references {
		names = append(names, client.ObjectKeyFromObject(ref).String())
	}
	slices.Sort(names)
	return names
}
