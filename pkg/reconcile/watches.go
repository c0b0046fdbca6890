package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/caches"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/sidecars"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// indexPhysical is the index of references by the namespace/name of their physical Dataset.
const indexPhysical = "physical"

// referenceWorkers is how many references are reconciled at a time. A reconcile mostly waits for the API server, one
// write after the other, and etcd commits together what comes at the same time.
const referenceWorkers = 32

// physicalOf is the index function of indexPhysical.
func physicalOf(object client.Object) []string {
	dataset := object.(*datav1alpha1.Dataset)
	if !reference.IsReference(dataset) {
		return nil
	}
	source, err := reference.SourceOf(dataset)
	if err != nil {
		return nil
	}
	return []string{source.Key().String()}
}

// AddIndexes adds the index that the reconcilers of references need. Call it once per manager, before their set-up.
func AddIndexes(ctx context.Context, manager ctrl.Manager) error {
	if err := manager.GetFieldIndexer().IndexField(ctx, &datav1alpha1.Dataset{}, indexPhysical, physicalOf); err != nil {
		return fmt.Errorf("indexing references by their physical Dataset: %w", err)
	}
	return nil
}

// SetupWithManager adds the reconciler to a manager and makes it hear of everything that a Plan depends on.
func (r *ReferenceReconciler) SetupWithManager(manager ctrl.Manager) error {
	configMaps, secrets := &ownMirrors{}, &ownMirrors{}
	r.ownMirrors = map[string]*ownMirrors{"ConfigMap": configMaps, "Secret": secrets}
	built, err := ctrl.NewControllerManagedBy(manager).
		Named("reference").
		WithOptions(controller.Options{MaxConcurrentReconciles: referenceWorkers, RateLimiter: queue.BackOff()}).
		Watches(&datav1alpha1.Dataset{}, oneByOneWhenListed(queue.Concerned(r.concernedByDataset))).
		Watches(&datav1alpha1.ThinRuntime{}, queue.Concerned(r.concernedByThinRuntime)).
		Watches(&corev1.PersistentVolumeClaim{}, queue.Concerned(r.concernedByNamesake), builder.WithPredicates(changed())).
		Watches(&corev1.PersistentVolume{}, queue.Concerned(r.concernedByVolume), builder.WithPredicates(changed())).
		Watches(&appsv1.DaemonSet{}, queue.Concerned(r.concernedByDaemonSet)).
		Watches(&corev1.ConfigMap{}, configMaps.kept(queue.Concerned(r.concernedBy("ConfigMap"))), builder.OnlyMetadata).
		Watches(&corev1.Pod{}, queue.Concerned(r.concernedByPod)).
		Watches(&admissionregistrationv1.MutatingWebhookConfiguration{}, queue.Concerned(r.concernedByWebhook), builder.WithPredicates(comesOrGoes())).
		Build(r)
	if err != nil {
		return err
	}
	r.runtimes.setup(manager, built, queue.Concerned(r.concernedByRuntimeKind))
	return r.setupSecretWatches(manager, built, secrets.kept(queue.Concerned(r.concernedBy("Secret"))))
}

// setupSecretWatches lets Secrets be watched once references need some.
func (r *ReferenceReconciler) setupSecretWatches(manager ctrl.Manager, built controller.Controller, events handler.EventHandler) error {
	connection := rest.CopyConfig(manager.GetConfig())
	connection.NegotiatedSerializer = nil
	metadataClient, err := metadata.NewForConfigAndClient(connection, manager.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("making a client for the metadata of Secrets: %w", err)
	}
	lost := make(chan event.GenericEvent)
	r.secrets.client, r.secrets.now = metadataClient, r.Now
	r.secrets.transform = caches.NewTransform()
	r.secrets.connect = func(informer toolscache.SharedIndexInformer) error {
		return built.Watch(&source.Informer{Informer: informer, Handler: events})
	}
	r.secrets.lost = func(object client.Object) { lost <- event.GenericEvent{Object: object} }
	return errors.Join(built.Watch(source.Channel(lost, events)), manager.Add(&r.secrets))
}

// oneByOneWhenListed enqueues as all does, but for a change of a physical Dataset's list of references only those that
// come or go: with all of them, the work for many references to one Dataset would grow with the square of their number.
func oneByOneWhenListed(all handler.EventHandler) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: all.Create, DeleteFunc: all.Delete, GenericFunc: all.Generic,
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, requests workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			before, after := e.ObjectOld.(*datav1alpha1.Dataset), e.ObjectNew.(*datav1alpha1.Dataset)
			if !onlyListDiffers(before, after) {
				all.Update(ctx, e, requests)
				return
			}
			for _, request := range queue.Requests(listedInOne(before.Status.DatasetRef, after.Status.DatasetRef)) {
				requests.Add(request)
			}
		},
	}
}

// changed leaves out updates of volumes and claims of which the caches have nothing new, as are most that Kubernetes
// makes while it binds them.
func changed() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		switch before := e.ObjectOld.(type) {
		case *corev1.PersistentVolume:
			then, now := *before, *e.ObjectNew.(*corev1.PersistentVolume)
			unversioned(&then.ObjectMeta, &now.ObjectMeta)
			return !equality.Semantic.DeepEqual(then, now)
		case *corev1.PersistentVolumeClaim:
			then, now := *before, *e.ObjectNew.(*corev1.PersistentVolumeClaim)
			unversioned(&then.ObjectMeta, &now.ObjectMeta)
			return !equality.Semantic.DeepEqual(then, now)
		}
		return true
	}}
}

// comesOrGoes leaves out changes.
func comesOrGoes() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}

// unversioned takes from metadata what every write changes.
func unversioned(metadata ...*metav1.ObjectMeta) {
	for _, m := range metadata {
		m.ResourceVersion, m.ManagedFields = "", nil
	}
}

// onlyListDiffers reports whether nothing has changed of a Dataset but the list of the references to it.
func onlyListDiffers(before, after *datav1alpha1.Dataset) bool {
	if slices.Equal(before.Status.DatasetRef, after.Status.DatasetRef) {
		return false
	}
	then, now := *before, *after // shallow: the lists may be long
	then.Status.DatasetRef, now.Status.DatasetRef = nil, nil
	unversioned(&then.ObjectMeta, &now.ObjectMeta)
	return equality.Semantic.DeepEqual(then, now)
}

// listedInOne returns the references that are in one of two lists only.
func listedInOne(before, after []string) []types.NamespacedName {
	count := map[string]int{}
	for _, name := range slices.Concat(before, after) {
		count[name]++
	}
	var keys []types.NamespacedName
	for entry, times := range count {
		if namespace, name, ok := strings.Cut(entry, "/"); ok && times == 1 {
			keys = append(keys, types.NamespacedName{Namespace: namespace, Name: name})
		}
	}
	return keys
}

// referencesTo returns the references to a physical Dataset, which the caller mustn't change: they are the cache's own.
func referencesTo(ctx context.Context, reader client.Reader, physical types.NamespacedName) ([]datav1alpha1.Dataset, error) {
	list := &datav1alpha1.DatasetList{}
	if err := reader.List(ctx, list, client.MatchingFields{indexPhysical: physical.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the references to Dataset %s: %w", physical, err)
	}
	return list.Items, nil
}

// keysOfReferencesTo is referencesTo for events: reading a cache that is in sync doesn't fail.
func (r *ReferenceReconciler) keysOfReferencesTo(ctx context.Context, physical types.NamespacedName) []types.NamespacedName {
	references, _ := referencesTo(ctx, r.Client, physical)
	keys := make([]types.NamespacedName, len(references))
	for i := range references {
		keys[i] = client.ObjectKeyFromObject(&references[i])
	}
	return keys
}

// concernedByDataset: the Dataset itself if it is a reference, all references to it, and those whose mirrors have names
// that its runtime will want.
func (r *ReferenceReconciler) concernedByDataset(ctx context.Context, object client.Object) []types.NamespacedName {
	key := client.ObjectKeyFromObject(object)
	keys := append(r.keysOfReferencesTo(ctx, key), r.inputs.of(finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: key.Namespace, Name: key.Name})...)
	if reference.IsReference(object.(*datav1alpha1.Dataset)) {
		keys = append(keys, key)
	}
	return keys
}

// concernedByThinRuntime: those of its name, and those whose mirrors' names it will use.
func (r *ReferenceReconciler) concernedByThinRuntime(ctx context.Context, object client.Object) []types.NamespacedName {
	runtime := finding.Object{Kind: datav1alpha1.ThinRuntimeKind, Namespace: object.GetNamespace(), Name: object.GetName()}
	return append(r.concernedByNamesake(ctx, object), r.inputs.of(runtime)...)
}

// concernedByNamesake: ThinRuntimes and claims have the names of their Datasets.
func (r *ReferenceReconciler) concernedByNamesake(ctx context.Context, object client.Object) []types.NamespacedName {
	key := client.ObjectKeyFromObject(object)
	keys := r.keysOfReferencesTo(ctx, key)
	if object.GetLabels()[reference.LabelReferenceUID] != "" || r.isReference(ctx, key) {
		keys = append(keys, key)
	}
	return keys
}

func (r *ReferenceReconciler) isReference(ctx context.Context, key types.NamespacedName) bool {
	dataset := &datav1alpha1.Dataset{}
	return r.Client.Get(ctx, key, dataset, client.UnsafeDisableDeepCopy) == nil && reference.IsReference(dataset)
}

// concernedByVolume: the Dataset whose claim the volume is for, as reference or as physical. A foreign volume may have
// the name that a reference wants; when it goes, whoever it belonged to isn't concerned, but Datasets of that name are.
func (r *ReferenceReconciler) concernedByVolume(ctx context.Context, object client.Object) []types.NamespacedName {
	var keys []types.NamespacedName
	if claim := object.(*corev1.PersistentVolume).Spec.ClaimRef; claim != nil {
		key := types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}
		keys = append(r.keysOfReferencesTo(ctx, key), key)
	}
	for i, character := range object.GetName() {
		key := types.NamespacedName{Namespace: object.GetName()[:i], Name: strings.TrimPrefix(object.GetName()[i:], "-")}
		if character == '-' && !slices.Contains(keys, key) && r.isReference(ctx, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// concernedByDaemonSet: the references to the Dataset whose FUSE pods these are, by the DaemonSet's name, or the reference
// whose template for Fluid's webhook it is.
func (r *ReferenceReconciler) concernedByDaemonSet(ctx context.Context, object client.Object) []types.NamespacedName {
	var keys []types.NamespacedName
	for _, name := range reference.DatasetsOfFuse(object.GetName()) {
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: name}
		keys = append(keys, r.keysOfReferencesTo(ctx, key)...)
		if object.GetName() == reference.FuseTemplateKey(key).Name && r.isReference(ctx, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// concernedByRuntimeKind: the references to the Dataset of the runtime's name, and those whose mirrors' names it will use.
func (r *ReferenceReconciler) concernedByRuntimeKind(ctx context.Context, object client.Object) []types.NamespacedName {
	runtime := finding.Object{Kind: object.GetObjectKind().GroupVersionKind().Kind, Namespace: object.GetNamespace(), Name: object.GetName()}
	return append(r.keysOfReferencesTo(ctx, client.ObjectKeyFromObject(object)), r.inputs.of(runtime)...)
}

// concernedBy a ConfigMap or Secret: the reference whose mirror it is, and those whose plans name it.
func (r *ReferenceReconciler) concernedBy(kind string) func(context.Context, client.Object) []types.NamespacedName {
	return func(_ context.Context, object client.Object) []types.NamespacedName {
		keys := r.inputs.of(finding.Object{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()})
		if object.GetLabels()[reference.LabelReferenceUID] == "" {
			return keys
		}
		for _, owner := range object.GetOwnerReferences() {
			key := types.NamespacedName{Namespace: object.GetNamespace(), Name: owner.Name}
			if owner.Kind == datav1alpha1.DatasetKind && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
		return keys
	}
}

// concernedByPod: Datasets being deleted that the pod has sidecars of.
func (r *ReferenceReconciler) concernedByPod(ctx context.Context, object client.Object) []types.NamespacedName {
	var keys []types.NamespacedName
	for _, key := range sidecars.Datasets(object) {
		dataset := &datav1alpha1.Dataset{}
		if r.Client.Get(ctx, key, dataset) == nil && dataset.DeletionTimestamp != nil {
			keys = append(keys, key)
		}
	}
	return keys
}
