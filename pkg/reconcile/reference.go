package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// ReferenceReconciler makes the Plan of each reference true: its ThinRuntime, volume, claim and mirrors, and its status.
type ReferenceReconciler struct {
	// Client reads informer caches (Secrets live) and writes with this project's field manager.
	Client client.Client
	// Live reads from the API server: the contents of mirrors and of their sources aren't cached.
	Live        client.Reader
	Recorder    events.EventRecorder
	MirrorNames reference.MirrorNames
	// Sharing says whose consent references need. Who created one isn't known here, so that of owners is enforced only.
	Sharing reference.Sharing
	// Controller is the ServiceAccount by which this process acts, for findings that say what rights it lacks.
	Controller types.NamespacedName
	Now        func() time.Time

	inputs   inputs
	verified verified
	reported reported
}

// Delays after which a reference is looked at again where no event would bring it back.
const (
	// staleDelay follows a write that the API server refused because the cache it rests on was behind.
	staleDelay = 50 * time.Millisecond
	// unreadDelay follows a read or a write that isn't allowed: granting a right or raising a quota is no event.
	unreadDelay = 30 * time.Second
	// secretDelay is how often mirrored Secrets are compared with their sources: watching them takes the right to list
	// all of a namespace.
	secretDelay = 5 * time.Minute
)

// Reconcile brings one reference nearer to its Plan.
func (r *ReferenceReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	again, err := r.reconcile(ctx, request.NamespacedName)
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		log.FromContext(ctx).V(1).Info("Trying again with a newer cache", "reason", err.Error())
		return ctrl.Result{RequeueAfter: staleDelay}, nil
	}
	return ctrl.Result{RequeueAfter: again}, err
}

// reconcile returns when to look at the reference again without an event; zero for never.
func (r *ReferenceReconciler) reconcile(ctx context.Context, key types.NamespacedName) (again time.Duration, err error) {
	dataset := &datav1alpha1.Dataset{}
	err = r.Client.Get(ctx, key, dataset)
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("reading Dataset %s: %w", key, err)
	}
	switch {
	case apierrors.IsNotFound(err):
		r.inputs.forget(key)
		r.reported.forget(key)
		return 0, r.releaseOrphan(ctx, key, "")
	case !reference.IsReference(dataset):
		return 0, nil
	case dataset.DeletionTimestamp != nil:
		return 0, r.finalize(ctx, dataset)
	}
	if err := r.releaseOrphan(ctx, key, dataset.UID); err != nil {
		return 0, err
	}
	if err := r.adopt(ctx, dataset); err != nil {
		return 0, err
	}
	world, err := observe.Reference(ctx, r.Client, dataset, r.MirrorNames)
	if err != nil {
		return 0, err
	}
	world.Sharing, world.Controller = r.Sharing, &r.Controller
	return r.makeTrue(ctx, world, reference.NewPlan(world))
}

// makeTrue writes what differs from a plan.
func (r *ReferenceReconciler) makeTrue(ctx context.Context, world *reference.World, plan *reference.Plan) (again time.Duration, err error) {
	if plan.NotShared() {
		return 0, r.revoke(ctx, world, plan)
	}
	if plan.Sidecar != nil { // or it isn't known, and what there is stays what there was
		r.inputs.remember(plan)
	}
	if plan.Creatable() {
		err := r.apply(ctx, world, plan)
		if !refused(err, world) && err != nil {
			return 0, err
		}
		if len(world.Refused)+len(world.Stale) > 0 {
			plan = reference.NewPlan(world)
		}
	}
	if _, err := r.writeStatus(ctx, world, plan); err != nil {
		return 0, err
	}
	switch {
	case len(world.Unread)+len(world.Refused) > 0:
		return unreadDelay, nil
	case slices.ContainsFunc(plan.Mirrors, func(m reference.Mirror) bool { return m.Source.Kind == "Secret" }):
		return secretDelay, nil
	}
	return 0, nil
}

// adopt puts the finalizer and the label on a reference, in one write.
func (r *ReferenceReconciler) adopt(ctx context.Context, dataset *datav1alpha1.Dataset) error {
	before := dataset.DeepCopy()
	changed := controllerutil.AddFinalizer(dataset, datav1alpha1.FinalizerDataset)
	if id := reference.DatasetID(dataset); dataset.Labels[datav1alpha1.LabelDatasetID] != id {
		metav1.SetMetaDataLabel(&dataset.ObjectMeta, datav1alpha1.LabelDatasetID, id)
		changed = true
	}
	if !changed {
		return nil
	}
	return r.patch(ctx, dataset, before)
}

// patch writes what has changed of an object's metadata, if nobody else wrote it meanwhile: finalizers are a list,
// which a merge patch replaces.
func (r *ReferenceReconciler) patch(ctx context.Context, object, before client.Object) error {
	err := r.Client.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return r.forbidden(object, fmt.Errorf("patching %T %s: %w", object, client.ObjectKeyFromObject(object), err))
	}
	return nil
}

// apply creates what is missing and repairs the mirrors. The mirrors come first: nothing can use them before there is a
// claim.
func (r *ReferenceReconciler) apply(ctx context.Context, world *reference.World, plan *reference.Plan) error {
	for _, mirror := range plan.Mirrors {
		if err := r.applyMirror(ctx, world, mirror); err != nil {
			return err
		}
	}
	if err := r.removeMirrors(ctx, world.Dataset, plan); err != nil {
		return err
	}
	if world.ThinRuntime == nil {
		if err := r.create(ctx, plan.ThinRuntime); err != nil {
			return err
		}
		world.ThinRuntime = plan.ThinRuntime
	}
	if world.Volume == nil {
		if err := r.create(ctx, plan.Volume); err != nil {
			return err
		}
	}
	if world.Claim == nil {
		return r.create(ctx, plan.Claim)
	}
	return nil
}

func (r *ReferenceReconciler) create(ctx context.Context, object client.Object) error {
	if err := r.Client.Create(ctx, object); err != nil {
		return r.forbidden(object, fmt.Errorf("creating %T %s: %w", object, client.ObjectKeyFromObject(object), err))
	}
	return nil
}

// writeStatus writes the statuses of the reference and of its ThinRuntime where they differ. A new reference of which
// the physical Dataset doesn't know yet gets its first status when it does, which is at once. It returns whether there
// was something new to report.
func (r *ReferenceReconciler) writeStatus(ctx context.Context, world *reference.World, plan *reference.Plan) (news bool, err error) {
	blocking, blocked := plan.Findings.First()
	if blocked && blocking.Code == reference.CodeNotRecorded && world.Dataset.Status.Phase == datav1alpha1.NonePhase {
		return false, nil
	}
	if thin := world.ThinRuntime; thin != nil && plan.RuntimeStatus != nil && plan.Creatable() {
		if err := writeWholeStatus(ctx, r.Client, thin, thin.Status, *plan.RuntimeStatus); err != nil {
			return false, err
		}
	}
	before := world.Dataset.Status
	if equality.Semantic.DeepEqual(before, plan.Status) {
		return false, nil
	}
	reference.StampCondition(&plan.Status, metav1.NewTime(r.Now()))
	if err := writeWholeStatus(ctx, r.Client, world.Dataset, before, plan.Status); err != nil {
		return false, err
	}
	return r.report(world.Dataset, before.Conditions, plan), nil
}

// writeWholeStatus writes the status of an object if it isn't what is wanted.
func writeWholeStatus[T any](ctx context.Context, writer client.Client, object client.Object, present, wanted T) error {
	if equality.Semantic.DeepEqual(present, wanted) {
		return nil
	}
	patch, err := wholeStatus(object.GetResourceVersion(), present, wanted)
	if err == nil {
		err = writer.Status().Patch(ctx, object, patch)
	}
	if err != nil {
		return fmt.Errorf("patching the status of %T %s: %w", object, client.ObjectKeyFromObject(object), err)
	}
	return nil
}

// report makes an event when the condition changes, not at every reconcile, and returns whether it did. The cache may
// not have the last change yet.
func (r *ReferenceReconciler) report(dataset *datav1alpha1.Dataset, before []datav1alpha1.DatasetCondition, plan *reference.Plan) bool {
	condition := func(conditions []datav1alpha1.DatasetCondition) (c datav1alpha1.DatasetCondition) {
		for _, c = range conditions {
			if c.Type == reference.ConditionReferenceReady {
				return c
			}
		}
		return datav1alpha1.DatasetCondition{}
	}
	old, now := condition(before), condition(plan.Status.Conditions)
	if (old.Reason == now.Reason && old.Message == now.Message) || !r.reported.isNews(plan.Reference, now) {
		return false
	}
	eventType := corev1.EventTypeNormal
	if len(plan.Findings.Of(reference.Error)) > 0 {
		eventType = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(dataset, nil, eventType, now.Reason, "Reconcile", "%s", now.Message)
	return true
}

// finalize takes a reference's objects away in an order in which no pod loses its data and nothing is left: pods with
// its sidecar end first, then the claim goes, then the volume. Mirrors and the ThinRuntime go by their owner reference
// after the Dataset.
func (r *ReferenceReconciler) finalize(ctx context.Context, dataset *datav1alpha1.Dataset) error {
	if !slices.Contains(dataset.Finalizers, datav1alpha1.FinalizerDataset) {
		return nil
	}
	users, err := sidecarPods(ctx, r.Client, client.ObjectKeyFromObject(dataset))
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return r.waitForPods(ctx, dataset, users)
	}
	key := client.ObjectKeyFromObject(dataset)
	gone, err := r.deleteOwned(ctx, dataset, key, &corev1.PersistentVolumeClaim{})
	if err != nil || !gone {
		return err
	}
	gone, err = r.deleteOwned(ctx, dataset, types.NamespacedName{Name: reference.VolumeName(key)}, &corev1.PersistentVolume{})
	if err != nil || !gone {
		return err
	}
	if err := r.releaseThinRuntime(ctx, dataset); err != nil {
		return err
	}
	before := dataset.DeepCopy()
	controllerutil.RemoveFinalizer(dataset, datav1alpha1.FinalizerDataset)
	return client.IgnoreNotFound(r.patch(ctx, dataset, before))
}

// deleteOwned deletes an object of a reference and reports whether it has gone. A foreign one counts as gone. It reads
// from the API server: a cache may not know yet what was just made, and nobody would look again.
func (r *ReferenceReconciler) deleteOwned(ctx context.Context, dataset *datav1alpha1.Dataset, key types.NamespacedName, object client.Object) (bool, error) {
	err := r.Live.Get(ctx, key, object)
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading %T %s: %w", object, key, err)
	case !reference.Owns(dataset, object):
		return true, nil
	case object.GetDeletionTimestamp() != nil:
		return false, nil
	}
	uid := object.GetUID()
	err = r.Client.Delete(ctx, object, client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("deleting %T %s: %w", object, key, err)
	}
	return false, nil
}

// releaseThinRuntime removes the finalizer of the reference's own ThinRuntime, so that it can go after the Dataset.
func (r *ReferenceReconciler) releaseThinRuntime(ctx context.Context, dataset *datav1alpha1.Dataset) error {
	thin := &datav1alpha1.ThinRuntime{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(dataset), thin); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !reference.Owns(dataset, thin) {
		return nil
	}
	return r.removeFinalizer(ctx, thin)
}

// releaseOrphan lets a ThinRuntime of ours go whose reference has vanished before it: without its finalizer, by force.
// A Dataset that has the name now (present, empty if none) is another one.
func (r *ReferenceReconciler) releaseOrphan(ctx context.Context, key types.NamespacedName, present types.UID) error {
	thin := &datav1alpha1.ThinRuntime{}
	if err := r.Client.Get(ctx, key, thin); err != nil {
		return client.IgnoreNotFound(err)
	}
	former := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{UID: types.UID(thin.Labels[reference.LabelReferenceUID])}}
	if thin.DeletionTimestamp == nil || former.UID == present || !reference.Owns(former, thin) {
		return nil
	}
	return r.removeFinalizer(ctx, thin)
}

func (r *ReferenceReconciler) removeFinalizer(ctx context.Context, thin *datav1alpha1.ThinRuntime) error {
	before := thin.DeepCopy()
	if !controllerutil.RemoveFinalizer(thin, datav1alpha1.FinalizerThinRuntime) {
		return nil
	}
	return client.IgnoreNotFound(r.patch(ctx, thin, before))
}

// waitForPods says who keeps a reference from going. The end of a pod is an event that brings it back.
func (r *ReferenceReconciler) waitForPods(ctx context.Context, dataset *datav1alpha1.Dataset, users []string) error {
	log.FromContext(ctx).Info("Waiting for pods that use the reference", "pods", users)
	r.Recorder.Eventf(dataset, nil, corev1.EventTypeWarning, "ErrorDeleteDataset", "Delete",
		"Pods have the sidecar of this Dataset: %v; delete them first", users)
	return nil
}
