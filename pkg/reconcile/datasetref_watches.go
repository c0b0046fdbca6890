package reconcile

import (
	"context"
	"slices"

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
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// SetupWithManager adds the reconciler to a manager. AddIndexes must have been called.
func (r *DatasetRefReconciler) SetupWithManager(manager ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(manager).
		Named("datasetref").
		WithOptions(controller.Options{MaxConcurrentReconciles: datasetRefWorkers, RateLimiter: queue.BackOff()}).
		Watches(&datav1alpha1.Dataset{}, r.datasetEvents()).
		Watches(&corev1.PersistentVolumeClaim{}, queue.Concerned(r.concernedByClaim), builder.WithPredicates(comes())).
		Complete(r)
}

// due reports whether a reference must be in the list of its physical Dataset now:
//
//	its status                   its claim     due
//	none                         isn't there   no: it is only being made, and is listed along with another that is due
//	none                         is there      yes: pods can use it
//	anything but Bound           any           yes: it may be what the reference waits for
//	Bound                        any           yes, and it is listed already: nothing else becomes Bound
//
// An event has the list looked at only if the reference is due by it. If each event of each of n references did, and each
// look goes through n references, the work would grow with the square of n; and if each reference that is only being made
// were due, each would cost a write of the list.
func due(ref *datav1alpha1.Dataset, hasClaim bool) bool {
	return hasClaim || ref.Status.Phase != datav1alpha1.NonePhase
}

// dueByStatus reports whether a change made a reference due and not only Bound, which follows from its being listed.
func dueByStatus(before, after *datav1alpha1.Dataset) bool {
	return !due(before, false) && due(after, false) && after.Status.Phase != datav1alpha1.BoundPhase
}

// isDue is due with the claim that the caches have. A reference that has a status is due without looking for it.
func (r *DatasetRefReconciler) isDue(ctx context.Context, ref *datav1alpha1.Dataset) bool {
	if due(ref, false) {
		return true
	}
	err := r.Client.Get(ctx, client.ObjectKeyFromObject(ref), &corev1.PersistentVolumeClaim{}, client.UnsafeDisableDeepCopy)
	return due(ref, !apierrors.IsNotFound(err))
}

// datasetEvents enqueues for Datasets that come, go or change in a way that can change a list.
func (r *DatasetRefReconciler) datasetEvents() handler.EventHandler {
	enqueue := queue.Concerned(concernedPhysical)
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

// changesAList reports whether a change can change a list: of a physical Dataset, of what a reference refers to, or one
// that makes a reference due.
func changesAList(before, after *datav1alpha1.Dataset) bool {
	return !reference.IsReference(before) || !reference.IsReference(after) || dueByStatus(before, after) ||
		!slices.EqualFunc(before.Spec.Mounts, after.Spec.Mounts, func(a, b datav1alpha1.Mount) bool { return a.MountPoint == b.MountPoint })
}

// comes leaves out all but new objects.
func comes() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(event.UpdateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
}

// concernedByClaim is the physical Dataset of the reference that a new claim is of, if the claim makes it due. A reference
// that has a status is due by that, and one that was listed along with another needs nothing more.
func (r *DatasetRefReconciler) concernedByClaim(ctx context.Context, claim client.Object) []types.NamespacedName {
	ref := &datav1alpha1.Dataset{}
	key := client.ObjectKeyFromObject(claim)
	if r.Client.Get(ctx, key, ref, client.UnsafeDisableDeepCopy) != nil || !reference.IsReference(ref) || due(ref, false) {
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
	return []types.NamespacedName{source.Key()}
}

// concernedPhysical is the physical Dataset of a reference, before and after a change, and every other Dataset itself.
func concernedPhysical(_ context.Context, object client.Object) []types.NamespacedName {
	dataset := object.(*datav1alpha1.Dataset)
	if !reference.IsReference(dataset) {
		return []types.NamespacedName{client.ObjectKeyFromObject(dataset)}
	}
	if source, err := reference.SourceOf(dataset); err == nil {
		return []types.NamespacedName{source.Key()}
	}
	return nil
}
