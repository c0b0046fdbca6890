package alluxio

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/source"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/sidecars"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// SetupWithManager adds the reconciler to a manager and makes it hear of everything that it depends on.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	if r.Live == nil {
		r.Live = manager.GetAPIReader()
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.Ask == nil {
		r.Ask = NewAsker(0).Ask
	}
	parts, err := newPartsCache(manager)
	if err != nil {
		return err
	}
	r.parts = parts
	built := ctrl.NewControllerManagedBy(manager).
		Named("alluxioruntime").
		WithOptions(controller.Options{MaxConcurrentReconciles: 3, RateLimiter: queue.BackOff()}).
		For(&datav1alpha1.AlluxioRuntime{}).
		Watches(&datav1alpha1.Dataset{}, queue.Concerned(r.ofDataset)).
		Watches(&corev1.Pod{}, queue.Concerned(r.ofSidecars))
	for _, object := range partKinds() {
		built = built.WatchesRawSource(source.Kind(parts, object, queue.Concerned(ofPart)))
	}
	if err := built.Complete(r); err != nil {
		return fmt.Errorf("adding the controller of AlluxioRuntimes: %w", err)
	}
	return nil
}

// partKinds are the kinds of what is made for runtimes, by this engine or by Kubernetes.
func partKinds() []client.Object {
	return []client.Object{&corev1.ConfigMap{}, &corev1.Service{}, &appsv1.StatefulSet{}, &appsv1.DaemonSet{}, &networkingv1.NetworkPolicy{},
		&batchv1.Job{}, &corev1.Pod{}, &corev1.PersistentVolume{}, &corev1.PersistentVolumeClaim{}}
}

// newPartsCache returns a cache of what is made for runtimes, and of nothing else in the cluster.
func newPartsCache(manager ctrl.Manager) (cache.Cache, error) {
	marked, err := labels.NewRequirement(reference.LabelDatasetUID, selection.Exists, nil)
	if err != nil {
		return nil, err
	}
	options := cache.Options{Scheme: manager.GetScheme(), Mapper: manager.GetRESTMapper(), HTTPClient: manager.GetHTTPClient(),
		DefaultLabelSelector: labels.NewSelector().Add(*marked), DefaultTransform: cache.TransformStripManagedFields()}
	parts, err := cache.New(manager.GetConfig(), options)
	if err != nil {
		return nil, fmt.Errorf("making the cache of what is made for AlluxioRuntimes: %w", err)
	}
	if err := manager.Add(parts); err != nil {
		return nil, fmt.Errorf("adding the cache of what is made for AlluxioRuntimes: %w", err)
	}
	return parts, nil
}

// ofPart: the runtime that an object is made for. Volume and claim are known by the claim's name, the others by their release.
func ofPart(_ context.Context, object client.Object) []types.NamespacedName {
	switch object := object.(type) {
	case *corev1.PersistentVolume:
		if claim := object.Spec.ClaimRef; claim != nil {
			return []types.NamespacedName{{Namespace: claim.Namespace, Name: claim.Name}}
		}
		return nil
	case *corev1.PersistentVolumeClaim:
		return []types.NamespacedName{client.ObjectKeyFromObject(object)}
	}
	if object.GetLabels()["app"] != "alluxio" {
		return nil
	}
	return []types.NamespacedName{{Namespace: object.GetNamespace(), Name: object.GetLabels()["release"]}}
}

// ofDataset: the Dataset itself; a reference concerns its physical Dataset while that is being deleted.
func (r *Reconciler) ofDataset(ctx context.Context, object client.Object) []types.NamespacedName {
	dataset := object.(*datav1alpha1.Dataset)
	if !reference.IsReference(dataset) {
		return []types.NamespacedName{client.ObjectKeyFromObject(dataset)}
	}
	source, err := reference.SourceOf(dataset)
	if err != nil {
		return nil
	}
	return r.beingDeleted(ctx, source.Key())
}

// beingDeleted returns those of the keys whose Datasets are being deleted: only they wait for references and pods.
func (r *Reconciler) beingDeleted(ctx context.Context, keys ...types.NamespacedName) []types.NamespacedName {
	var found []types.NamespacedName
	for _, key := range keys {
		dataset := &datav1alpha1.Dataset{}
		if r.Client.Get(ctx, key, dataset) == nil && dataset.DeletionTimestamp != nil {
			found = append(found, key)
		}
	}
	return found
}

// ofSidecars: the Datasets that a pod has sidecars of.
func (r *Reconciler) ofSidecars(ctx context.Context, pod client.Object) []types.NamespacedName {
	return r.beingDeleted(ctx, sidecars.Datasets(pod)...)
}
