package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/sidecars"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// finalize takes a reference's objects away in an order in which no pod loses its data and nothing is left: pods with
// its sidecar end first, then the claim goes, then the volume. Mirrors and the ThinRuntime go by their owner reference
// after the Dataset. It returns when to look again without an event; zero for never.
func (r *ReferenceReconciler) finalize(ctx context.Context, dataset *datav1alpha1.Dataset) (again time.Duration, err error) {
	key := client.ObjectKeyFromObject(dataset)
	if !slices.Contains(dataset.Finalizers, datav1alpha1.FinalizerDataset) {
		return r.releaseOrphan(ctx, key, "")
	}
	users, err := sidecars.Pods(ctx, r.Client, key)
	if err != nil {
		return 0, err
	}
	if len(users) > 0 {
		r.waitForPods(ctx, dataset, users)
		return 0, nil
	}
	gone, err := r.deleteOwned(ctx, dataset, key, &corev1.PersistentVolumeClaim{})
	if err != nil || !gone {
		return 0, err
	}
	gone, err = r.deleteOwned(ctx, dataset, types.NamespacedName{Name: reference.VolumeName(key)}, &corev1.PersistentVolume{})
	if err != nil || !gone {
		return 0, err
	}
	if err := r.releaseThinRuntime(ctx, dataset); err != nil {
		return 0, err
	}
	before := dataset.DeepCopy()
	controllerutil.RemoveFinalizer(dataset, datav1alpha1.FinalizerDataset)
	return 0, client.IgnoreNotFound(r.patch(ctx, dataset, before))
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
		return false, r.refused(object, fmt.Errorf("deleting %T %s: %w", object, key, err))
	}
	return false, nil
}

// releaseThinRuntime removes the finalizer of the reference's own ThinRuntime, so that it can go after the Dataset. Beside
// Fluid that is Fluid's to do, once it is being deleted.
func (r *ReferenceReconciler) releaseThinRuntime(ctx context.Context, dataset *datav1alpha1.Dataset) error {
	if beside, err := r.isBesideFluid(ctx); beside || err != nil {
		return err
	}
	thin := &datav1alpha1.ThinRuntime{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(dataset), thin); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !reference.Owns(dataset, thin) {
		return nil
	}
	return r.removeFinalizer(ctx, thin)
}

// releaseOrphan lets a ThinRuntime of ours go whose reference has vanished before it, without its finalizer by force, or
// beside Fluid. A Dataset that has the name now (present, empty if none) is another one. It returns when to look again,
// since Fluid gets some time to take it down itself.
func (r *ReferenceReconciler) releaseOrphan(ctx context.Context, key types.NamespacedName, present types.UID) (again time.Duration, err error) {
	thin := &datav1alpha1.ThinRuntime{}
	if err = r.Client.Get(ctx, key, thin); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	former := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{UID: types.UID(thin.Labels[reference.LabelReferenceUID])}}
	if thin.DeletionTimestamp == nil || former.UID == present || !reference.Owns(former, thin) {
		return 0, nil
	}
	beside, err := r.isBesideFluid(ctx)
	if left := thin.DeletionTimestamp.Add(fluidTakesDown).Sub(r.Now()); err != nil || (beside && left > 0) {
		return left, err
	}
	return 0, r.removeFinalizer(ctx, thin)
}

// removeLeftover deletes the volume of an earlier reference of the same name that vanished by force, without its
// finalizer, and reports whether there was one: an object of the cluster has no owner whose end would delete it. There is
// only one Dataset of a name at a time, so the one that the volume was made for is gone.
func (r *ReferenceReconciler) removeLeftover(ctx context.Context, dataset *datav1alpha1.Dataset) (bool, error) {
	key := client.ObjectKeyFromObject(dataset)
	volume := &corev1.PersistentVolume{}
	name := types.NamespacedName{Name: reference.VolumeName(key)}
	if err := r.Client.Get(ctx, name, volume, client.UnsafeDisableDeepCopy); err != nil || !isLeftover(dataset, volume) {
		return false, client.IgnoreNotFound(err)
	}
	// The caches aren't of the same moment: the Dataset may be an older one than the volume's.
	live, present := &corev1.PersistentVolume{}, &datav1alpha1.Dataset{}
	if err := errors.Join(r.Live.Get(ctx, name, live), r.Live.Get(ctx, key, present)); err != nil {
		return false, fmt.Errorf("making sure that PersistentVolume %s was left by an earlier Dataset %s: %w", name.Name, key, err)
	}
	if present.UID != dataset.UID || !isLeftover(present, live) || !madeHere(live, dataset) {
		return false, nil
	}
	uid := live.UID
	if err := client.IgnoreNotFound(r.Client.Delete(ctx, live, client.Preconditions{UID: &uid})); err != nil {
		return false, fmt.Errorf("deleting PersistentVolume %s, which an earlier Dataset %s left: %w", name.Name, key, err)
	}
	return true, nil
}

// isLeftover reports whether a volume was made for another Dataset of the same name and isn't being deleted yet.
func isLeftover(dataset *datav1alpha1.Dataset, volume *corev1.PersistentVolume) bool {
	mark, claim, source := markOf(volume), volume.Spec.ClaimRef, volume.Spec.CSI
	return mark != "" && mark != dataset.UID && volume.DeletionTimestamp == nil &&
		claim != nil && claim.Namespace == dataset.Namespace && claim.Name == dataset.Name &&
		source != nil && source.Driver == datav1alpha1.CSIDriverName
}

// madeHere reports whether a volume with the mark of an earlier Dataset of the same name has everything that the volumes of
// references have, and was created by this project's field manager: a mark alone may have been copied.
func madeHere(volume *corev1.PersistentVolume, dataset *datav1alpha1.Dataset) bool {
	former := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: dataset.Namespace, Name: dataset.Name, UID: markOf(volume)}}
	return volume.Labels[reference.StorageLabel(former)] == "true" &&
		volume.Labels[datav1alpha1.LabelDatasetID] == reference.DatasetID(former) &&
		volume.Annotations[datav1alpha1.AnnotationCreatedBy] == datav1alpha1.CreatedByFluid && reference.WrittenHere(volume)
}

func (r *ReferenceReconciler) removeFinalizer(ctx context.Context, thin *datav1alpha1.ThinRuntime) error {
	before := thin.DeepCopy()
	if !controllerutil.RemoveFinalizer(thin, datav1alpha1.FinalizerThinRuntime) {
		return nil
	}
	return client.IgnoreNotFound(r.patch(ctx, thin, before))
}

// waitForPods says once who keeps a reference from going. The end of a pod is an event that brings it back.
func (r *ReferenceReconciler) waitForPods(ctx context.Context, dataset *datav1alpha1.Dataset, users []string) {
	slices.Sort(users)
	message := "Pods have the sidecar of this Dataset: " + tell.Names(users) + "; delete them first"
	if !r.said.IsNews(client.ObjectKeyFromObject(dataset), tell.ReasonErrorDeleteDataset, message) {
		return
	}
	log.FromContext(ctx).Info("Waiting for pods that use the reference", "pods", users)
	r.Recorder.Eventf(dataset, nil, corev1.EventTypeWarning, tell.ReasonErrorDeleteDataset, "Delete", "%s", message)
}
