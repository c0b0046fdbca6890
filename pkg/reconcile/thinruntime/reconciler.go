package thinruntime

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/thinruntime/thin"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// The rights that serving ThinRuntimes takes.
// +kubebuilder:rbac:groups=data.fluid.io,resources=datasets;thinruntimes,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=data.fluid.io,resources=datasets/status;thinruntimes/status,verbs=patch
// +kubebuilder:rbac:groups=data.fluid.io,resources=thinruntimeprofiles,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims;persistentvolumes;configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=daemonsets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconciler serves physical Datasets that have a ThinRuntime with a profile: it does what Fluid's
// thinruntime-controller does for them. A Dataset and its ThinRuntime have the same name and are reconciled together.
type Reconciler struct {
	// Client reads informer caches and writes with this project's field manager.
	Client client.Client
	// Live reads from the API server; the manager's if it is nil.
	Live     client.Reader
	Recorder events.EventRecorder
	// MountRoot is the directory on the nodes below which FUSE clients mount; /runtime-mnt if it is empty.
	MountRoot string
	Now       func() time.Time

	// told is what has been said last in events that no status remembers.
	told tell.Last
}

// pair is a Dataset and the ThinRuntime of its name; each is nil if it doesn't exist.
type pair struct {
	key     types.NamespacedName
	dataset *datav1alpha1.Dataset
	runtime *datav1alpha1.ThinRuntime
}

// Reconcile brings one Dataset with its ThinRuntime nearer to what they should be.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	p, err := r.read(ctx, request.NamespacedName)
	if err == nil {
		err = r.reconcile(ctx, p)
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return ctrl.Result{RequeueAfter: queue.StaleDelay}, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return ctrl.Result{}, nil // the deletion of Dataset and ThinRuntime are events to come
	}
	return ctrl.Result{}, err
}

func (r *Reconciler) read(ctx context.Context, key types.NamespacedName) (pair, error) {
	p := pair{key: key}
	dataset, runtime := &datav1alpha1.Dataset{}, &datav1alpha1.ThinRuntime{}
	switch err := r.Client.Get(ctx, key, dataset); {
	case err == nil:
		p.dataset = dataset
	case !apierrors.IsNotFound(err):
		return p, fmt.Errorf("reading Dataset %s: %w", key, err)
	}
	switch err := r.Client.Get(ctx, key, runtime); {
	case err == nil:
		p.runtime = runtime
	case !apierrors.IsNotFound(err):
		return p, fmt.Errorf("reading ThinRuntime %s: %w", key, err)
	}
	return p, nil
}

func (r *Reconciler) reconcile(ctx context.Context, p pair) error {
	switch {
	case p.dataset != nil && reference.IsReference(p.dataset),
		p.dataset == nil && p.runtime != nil && p.runtime.Spec.ProfileName == "":
		return nil // a reference, or the runtime of one
	case p.runtime == nil && p.dataset == nil:
		r.told.Forget(p.key)
		return r.removeOrphans(ctx, p)
	case p.deleting():
		return r.takeDown(ctx, p)
	case p.runtime == nil:
		return r.forgetRuntime(ctx, p)
	case p.dataset == nil:
		return nil // it waits for its Dataset
	case thin.BoundElsewhere(p.dataset):
		r.tell(p.key, p.runtime, tell.ReasonErrorProcessRuntime, "Dataset "+p.key.String()+" is bound to another runtime already: "+
			"delete that one or this ThinRuntime")
		return nil
	}
	return r.setUp(ctx, p)
}

// setUp makes everything that the ThinRuntime needs, or says in the Dataset's status why it can't.
func (r *Reconciler) setUp(ctx context.Context, p pair) error {
	plan, err := r.plan(ctx, p)
	switch {
	case err != nil:
		return err
	case plan.servedByFluid:
		return nil
	case plan.leftover:
		_, err = r.volume(p).Delete(ctx, p.dataset.UID)
		return err
	case plan.waiting:
		return nil
	case plan.problem != nil:
		return r.fail(ctx, p, plan)
	}
	if err = r.adopt(ctx, p); err != nil { // without a finalizer nothing must be made
		return r.refused(ctx, p, plan, client.IgnoreNotFound(err))
	}
	if err = r.apply(ctx, plan); err != nil {
		return r.refused(ctx, p, plan, err)
	}
	now := metav1.NewTime(r.Now())
	_, err = r.patchStatus(ctx, p.runtime, func(object client.Object) {
		thin.SetRuntimeReady(object.(*datav1alpha1.ThinRuntime), plan.daemonSet(), now)
	})
	if err != nil {
		return err
	}
	_, err = r.patchStatus(ctx, p.dataset, func(object client.Object) {
		thin.SetDatasetBound(object.(*datav1alpha1.Dataset), now)
	})
	return err
}

// refused tells the user when the API server refuses an object. It is tried again: a right, a quota or a policy that changes
// is no event.
func (r *Reconciler) refused(ctx context.Context, p pair, plan *thinPlan, err error) error {
	if !queue.IsRefusal(err) {
		return err
	}
	plan.problem = err
	if failed := r.fail(ctx, p, plan); failed != nil {
		return failed
	}
	return err
}

// fail says why the Dataset can't be set up: in its status, and once in an event.
func (r *Reconciler) fail(ctx context.Context, p pair, plan *thinPlan) error {
	message := plan.problem.Error()
	now := metav1.NewTime(r.Now())
	changed, err := r.patchStatus(ctx, p.dataset, func(object client.Object) {
		thin.SetDatasetFailed(object.(*datav1alpha1.Dataset), message, plan.complete(), now)
	})
	if changed {
		r.Recorder.Eventf(p.runtime, p.dataset, corev1.EventTypeWarning, tell.ReasonErrorProcessRuntime, "Setup", "%s", tell.Clip(message))
	}
	return err
}

// tell makes an event unless it is the same as the last for this Dataset.
func (r *Reconciler) tell(key types.NamespacedName, about client.Object, reason, message string) {
	if !r.told.IsNews(key, reason, message) {
		return
	}
	r.Recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Reconcile", "%s", tell.Clip(message))
}

// adopt puts label and finalizer on both and makes the Dataset an owner of the ThinRuntime, before anything is made
// that would have to be taken down again.
func (r *Reconciler) adopt(ctx context.Context, p pair) error {
	id := reference.DatasetID(p.dataset)
	runtime := p.runtime.DeepCopy()
	metav1.SetMetaDataLabel(&runtime.ObjectMeta, datav1alpha1.LabelDatasetID, id)
	controllerutil.AddFinalizer(runtime, datav1alpha1.FinalizerThinRuntime)
	owned := slices.ContainsFunc(runtime.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == p.dataset.UID })
	if !owned {
		runtime.OwnerReferences = append(runtime.OwnerReferences, reference.OwnerReference(p.dataset))
	}
	dataset := p.dataset.DeepCopy()
	metav1.SetMetaDataLabel(&dataset.ObjectMeta, datav1alpha1.LabelDatasetID, id)
	controllerutil.AddFinalizer(dataset, datav1alpha1.FinalizerDataset)
	if err := r.patchMetadata(ctx, datav1alpha1.DatasetKind, p.dataset, dataset); err != nil {
		return err
	}
	return r.patchMetadata(ctx, datav1alpha1.ThinRuntimeKind, p.runtime, runtime)
}

// patchMetadata writes what differs in the metadata of an object, and nothing else of it, unless somebody wrote it in
// between.
func (r *Reconciler) patchMetadata(ctx context.Context, kind string, before, after client.Object) error {
	from, to := metadataOf(kind, before), metadataOf(kind, after)
	patch := client.MergeFrom(from)
	if data, err := patch.Data(to); err != nil || string(data) == "{}" {
		return err
	}
	err := r.Client.Patch(ctx, to, client.MergeFromWithOptions(from, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return fmt.Errorf("patching the metadata of %s %s: %w", kind, client.ObjectKeyFromObject(before), err)
	}
	return nil
}

func metadataOf(kind string, object client.Object) *metav1.PartialObjectMetadata {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(kind))
	metadata.Namespace, metadata.Name = object.GetNamespace(), object.GetName()
	metadata.ResourceVersion, metadata.UID = object.GetResourceVersion(), object.GetUID()
	metadata.Labels, metadata.Finalizers = object.GetLabels(), object.GetFinalizers()
	metadata.OwnerReferences = object.GetOwnerReferences()
	return metadata
}
