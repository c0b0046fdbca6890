package thinruntime

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/sidecars"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/thinruntime/thin"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Indexes of ThinRuntimes.
const (
	indexProfile = "profile"
	indexVolume  = "volume"
)

// SetupWithManager adds the reconciler to a manager and makes it hear of everything that it depends on.
func (r *Reconciler) SetupWithManager(manager ctrl.Manager) error {
	if r.Live == nil {
		r.Live = manager.GetAPIReader()
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	if r.MountRoot == "" {
		r.MountRoot = thin.DefaultMountRoot
	}
	if err := indexThinRuntimes(manager); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(manager).
		Named("thinruntime").
		WithOptions(controller.Options{MaxConcurrentReconciles: 3, RateLimiter: queue.BackOff()}).
		For(&datav1alpha1.ThinRuntime{}).
		Watches(&datav1alpha1.Dataset{}, queue.Concerned(r.ofDataset), builder.WithPredicates(datasetMatters())).
		Watches(&datav1alpha1.ThinRuntimeProfile{}, queue.Concerned(r.indexed(indexProfile))).
		Watches(&appsv1.DaemonSet{}, queue.Concerned(ofSuffixed(thin.FuseSuffix))).
		Watches(&corev1.ConfigMap{}, queue.Concerned(ofSuffixed(thin.ConfigSuffix)), builder.OnlyMetadata).
		Watches(&corev1.PersistentVolumeClaim{}, &handler.EnqueueRequestForObject{}).
		Watches(&corev1.PersistentVolume{}, queue.Concerned(r.ofVolume)).
		Watches(&corev1.Pod{}, queue.Concerned(r.ofPod)).
		Complete(r)
}

func indexThinRuntimes(manager ctrl.Manager) error {
	for name, value := range map[string]func(*datav1alpha1.ThinRuntime) string{
		indexProfile: func(runtime *datav1alpha1.ThinRuntime) string { return runtime.Spec.ProfileName },
		indexVolume: func(runtime *datav1alpha1.ThinRuntime) string {
			return reference.VolumeName(client.ObjectKeyFromObject(runtime))
		},
	} {
		err := manager.GetFieldIndexer().IndexField(context.Background(), &datav1alpha1.ThinRuntime{}, name, func(object client.Object) []string {
			runtime := object.(*datav1alpha1.ThinRuntime)
			if runtime.Spec.ProfileName == "" {
				return nil
			}
			return []string{value(runtime)}
		})
		if err != nil {
			return fmt.Errorf("indexing ThinRuntimes by %s: %w", name, err)
		}
	}
	return nil
}

// datasetMatters leaves out updates by which only the list of references or the figures of the cache change: a Dataset
// with a thousand references has a thousand of these.
func datasetMatters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*datav1alpha1.Dataset), e.ObjectNew.(*datav1alpha1.Dataset)
		return after.DeletionTimestamp != nil ||
			before.Generation != after.Generation ||
			before.Status.Phase != after.Status.Phase ||
			!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
			!equality.Semantic.DeepEqual(before.Annotations, after.Annotations) ||
			!equality.Semantic.DeepEqual(before.Finalizers, after.Finalizers) ||
			!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions) ||
			!equality.Semantic.DeepEqual(before.Status.Runtimes, after.Status.Runtimes) ||
			!equality.Semantic.DeepEqual(before.Status.Mounts, after.Status.Mounts)
	}}
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

// ofPod: the Datasets that a pod has sidecars of.
func (r *Reconciler) ofPod(ctx context.Context, pod client.Object) []types.NamespacedName {
	return r.beingDeleted(ctx, sidecars.Datasets(pod)...)
}

// ofSuffixed: the Dataset that an object is named for, whoever the object belongs to.
func ofSuffixed(suffix string) func(context.Context, client.Object) []types.NamespacedName {
	return func(_ context.Context, object client.Object) []types.NamespacedName {
		name, matches := strings.CutSuffix(object.GetName(), suffix)
		if !matches {
			return nil
		}
		return []types.NamespacedName{{Namespace: object.GetNamespace(), Name: name}}
	}
}

// ofVolume: the Dataset whose claim it is for, which may have no ThinRuntime any more, and those that want its name.
func (r *Reconciler) ofVolume(ctx context.Context, object client.Object) []types.NamespacedName {
	keys := r.indexed(indexVolume)(ctx, object)
	if claim := object.(*corev1.PersistentVolume).Spec.ClaimRef; claim != nil && claim.Namespace+"-"+claim.Name == object.GetName() {
		keys = append(keys, types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name})
	}
	return keys
}

// indexed: the ThinRuntimes that have an object's name in an index. Reading a cache that is in sync doesn't fail.
func (r *Reconciler) indexed(index string) func(context.Context, client.Object) []types.NamespacedName {
	return func(ctx context.Context, object client.Object) []types.NamespacedName {
		list := &datav1alpha1.ThinRuntimeList{}
		if r.Client.List(ctx, list, client.MatchingFields{index: object.GetName()}) != nil {
			return nil
		}
		keys := make([]types.NamespacedName, len(list.Items))
		for i := range list.Items {
			keys[i] = client.ObjectKeyFromObject(&list.Items[i])
		}
		return keys
	}
}
