package alluxio

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio/engine"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/statuspatch"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// The rights that serving AlluxioRuntimes takes.
// +kubebuilder:rbac:groups=data.fluid.io,resources=datasets;alluxioruntimes,verbs=get;list;watch;patch,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups=data.fluid.io,resources=datasets/status;alluxioruntimes/status,verbs=patch,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims;persistentvolumes;configmaps;services,verbs=get;list;watch;create;patch;delete,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups=apps,resources=statefulsets;daemonsets,verbs=get;list;watch;create;patch,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=list,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;delete,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups="",resources=pods/status,verbs=patch,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups="",resources=events,verbs=list,roleName=kubectl-fluid-alluxio
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch,roleName=kubectl-fluid-alluxio

// Reconciler serves physical Datasets that have an AlluxioRuntime: it does what Fluid's alluxioruntime-controller does for
// them. A Dataset and its AlluxioRuntime have the same name and are reconciled together.
type Reconciler struct {
	// Client reads the manager's caches and writes with this project's field manager.
	Client client.Client
	// Live reads from the API server; the manager's if it is nil.
	Live     client.Reader
	Recorder events.EventRecorder
	Settings engine.Settings
	// Serve says which AlluxioRuntimes are served.
	Serve Serve
	// Sharing is the cluster's policy of consent, which decides who reaches masters and workers.
	Sharing reference.Sharing
	// Ask asks masters; the network if it is nil.
	Ask func(ctx context.Context, masters []string) (*engine.MasterInfo, error)
	Now func() time.Time

	// parts reads what this engine and Kubernetes made for runtimes: its cache has nothing else.
	parts client.Reader

	told     tell.Last
	answers  memory.Of[types.NamespacedName, answer]
	attempts memory.Of[types.NamespacedName, map[engine.JobKind]engine.Attempt]
	// lacking are the fields of a runtime that aren't honoured, by its UID and generation.
	lacking memory.Of[types.NamespacedName, lacking]
	fluid   memory.Of[string, fluidSeen]
}

// answer is what a runtime's masters said last.
type answer struct {
	// identity is that of the masters that were asked.
	identity string
	asked    time.Time
	// info is what they answered when they last did.
	info     *engine.MasterInfo
	answered time.Time
	// problem says why they didn't when they were asked last.
	problem string
}

type lacking struct {
	version string
	fields  []string
}

// pair is a Dataset and the AlluxioRuntime of its name; each is nil if it doesn't exist.
type pair struct {
	key     types.NamespacedName
	dataset *datav1alpha1.Dataset
	runtime *datav1alpha1.AlluxioRuntime
}

// Reconcile brings one Dataset with its AlluxioRuntime nearer to what they should be.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	p, err := r.read(ctx, request.NamespacedName)
	var again time.Duration
	if err == nil {
		again, err = r.reconcile(ctx, p)
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return ctrl.Result{RequeueAfter: queue.StaleDelay}, nil
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return ctrl.Result{}, nil // the deletion of Dataset and AlluxioRuntime are events to come
	}
	return ctrl.Result{RequeueAfter: again}, err
}

func (r *Reconciler) read(ctx context.Context, key types.NamespacedName) (pair, error) {
	p := pair{key: key}
	dataset, runtime := &datav1alpha1.Dataset{}, &datav1alpha1.AlluxioRuntime{}
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
		return p, fmt.Errorf("reading AlluxioRuntime %s: %w", key, err)
	}
	return p, nil
}

func (r *Reconciler) reconcile(ctx context.Context, p pair) (time.Duration, error) {
	switch {
	case p.runtime == nil && p.dataset == nil:
		r.forget(p.key)
		return 0, r.removeOrphans(ctx, p)
	case p.dataset != nil && reference.IsReference(p.dataset):
		return 0, nil
	case p.runtime == nil && p.datasetDeleting() && engine.HasRuntime(p.dataset):
		return 0, r.takeDown(ctx, p)
	case p.runtime == nil:
		return 0, r.forgetRuntime(ctx, p)
	}
	if other, again, err := r.servedElsewhere(ctx, p); err != nil || other != "" {
		if err == nil {
			err = r.sayServedElsewhere(ctx, p, other)
		}
		return again, err
	}
	switch {
	case p.deleting():
		return 0, r.takeDown(ctx, p)
	case p.dataset == nil:
		return 0, nil // it waits for its Dataset
	case engine.BoundElsewhere(p.dataset):
		r.tell(p.key, p.runtime, tell.ReasonErrorProcessRuntime, "Dataset "+p.key.String()+" is bound to another runtime already: "+
			"delete that one or this AlluxioRuntime")
		return 0, nil
	}
	return r.setUp(ctx, p)
}

func (r *Reconciler) forget(key types.NamespacedName) {
	r.told.Forget(key)
	r.answers.Forget(key)
	r.attempts.Forget(key)
	r.lacking.Forget(key)
}

// setUp makes everything that the runtime needs, and does the next step, or says in the Dataset's status why it can't.
func (r *Reconciler) setUp(ctx context.Context, p pair) (time.Duration, error) {
	in := engine.Input{Dataset: p.dataset, Runtime: p.runtime, Consumers: r.consumers(p.dataset)}
	e, problems := engine.New(in, r.Settings)
	if err := reference.ValidateName(p.key.Name); err != nil {
		problems = append(problems, engine.Problem{Object: "Dataset " + p.key.String(), Text: err.Error()})
	}
	if len(problems) > 0 {
		troubles := make([]engine.Trouble, len(problems))
		for i, problem := range problems {
			troubles[i] = engine.Trouble{Kind: engine.TroubleInput, Object: problem.Object, Text: problem.Text}
		}
		return 0, r.fail(ctx, p, troubles)
	}
	objects, _ := engine.Desired(in, r.Settings)
	parts, troubles, wait, err := r.readParts(ctx, p, objects)
	switch {
	case err != nil, wait:
		return 0, err // what is about to vanish is an event to come
	case len(troubles) > 0:
		return 0, r.fail(ctx, p, troubles)
	}
	if err := r.adopt(ctx, p); err != nil {
		return 0, client.IgnoreNotFound(err) // without a finalizer it has gone, and nothing must be made any more
	}
	if err := r.apply(ctx, parts); err != nil {
		return 0, r.refused(ctx, p, err)
	}
	return r.step(ctx, p, e)
}

// step observes, decides, does and tells.
func (r *Reconciler) step(ctx context.Context, p pair, e *engine.Engine) (time.Duration, error) {
	o, err := r.observe(ctx, p, e)
	if err != nil {
		return 0, err
	}
	step := e.Decide(o)
	if err = r.do(ctx, p, o, step); err != nil {
		return 0, r.refused(ctx, p, err)
	}
	figures := o.Figures()
	lacking, err := r.notHonoured(ctx, p)
	if err != nil {
		return 0, err
	}
	err = r.writeRuntime(ctx, p.runtime, func(runtime *datav1alpha1.AlluxioRuntime) {
		e.SetRuntimeStatus(runtime, o, step, figures)
		engine.SetHonoured(runtime, lacking, o.Now)
	})
	if err != nil {
		return 0, err
	}
	message := engine.MessageOf(step.Troubles)
	if message != "" {
		r.tell(p.key, p.dataset, tell.ReasonErrorProcessRuntime, message)
	}
	err = r.writeDataset(ctx, p.dataset, func(dataset *datav1alpha1.Dataset) { e.SetDatasetStatus(dataset, o, step, figures, message) })
	if step.Again == 0 {
		step.Again = engine.SettledInterval
	}
	return step.Again, err
}

// do does what was decided.
func (r *Reconciler) do(ctx context.Context, p pair, o *engine.Observed, step *engine.Step) error {
	for kind, attempt := range step.Read {
		r.attempts.Update(p.key, func(known map[engine.JobKind]engine.Attempt, _ bool) (map[engine.JobKind]engine.Attempt, bool) {
			next := map[engine.JobKind]engine.Attempt{kind: attempt}
			for other, before := range known {
				if other != kind {
					next[other] = before
				}
			}
			return next, true
		})
		o.Attempts[kind] = attempt
	}
	for _, job := range step.Delete {
		uid := job.UID
		err := r.Client.Delete(ctx, job, client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting Job %s: %w", client.ObjectKeyFromObject(job), err)
		}
	}
	for i := range o.Masters {
		if wanted, write := step.Gates[o.Masters[i].Name]; write {
			if err := r.writeGate(ctx, &o.Masters[i], wanted); err != nil {
				return err
			}
		}
	}
	for _, job := range step.Create {
		if err := r.Client.Create(ctx, job, client.FieldOwner(reference.FieldManager)); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating Job %s: %w", client.ObjectKeyFromObject(job), err)
		}
	}
	return nil
}

// writeGate says in a master's pod whether it has its mounts.
func (r *Reconciler) writeGate(ctx context.Context, pod *corev1.Pod, mounted bool) error {
	status, reason := corev1.ConditionFalse, "NotMounted"
	if mounted {
		status, reason = corev1.ConditionTrue, "Mounted"
	}
	changed := pod.DeepCopy()
	changed.Status.Conditions = slices.DeleteFunc(changed.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == engine.ConditionMounted })
	changed.Status.Conditions = append(changed.Status.Conditions, corev1.PodCondition{Type: engine.ConditionMounted, Status: status, Reason: reason,
		LastTransitionTime: metav1.NewTime(r.Now())})
	err := r.Client.Status().Patch(ctx, changed, client.StrategicMergeFrom(pod))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the condition %s of pod %s: %w", engine.ConditionMounted, client.ObjectKeyFromObject(pod), err)
	}
	return nil
}

// consumers are the namespaces of the references that are recorded and have consent, besides the Dataset's own.
func (r *Reconciler) consumers(dataset *datav1alpha1.Dataset) []string {
	var namespaces []string
	source := reference.Source{Namespace: dataset.Namespace, Name: dataset.Name}
	for _, name := range dataset.Status.DatasetRef {
		namespace, _, _ := strings.Cut(name, "/")
		if namespace != "" && namespace != dataset.Namespace && reference.ConsentOf(r.Sharing, dataset, source, namespace) != reference.ConsentWithheld {
			namespaces = append(namespaces, namespace)
		}
	}
	slices.Sort(namespaces)
	return slices.Compact(namespaces)
}

// refused tells the user when the API server refuses an object. Only what it forbids is tried again: what it takes for
// invalid comes from Dataset or runtime, whose next change is an event.
func (r *Reconciler) refused(ctx context.Context, p pair, err error) error {
	forbidden := apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
	if !apierrors.IsInvalid(err) && !forbidden {
		return err
	}
	failed := r.fail(ctx, p, []engine.Trouble{{Kind: engine.TroubleRefused, Object: "AlluxioRuntime " + p.key.String(), Text: err.Error()}})
	if failed != nil || !forbidden {
		return failed
	}
	return err
}

// fail says why the Dataset can't be set up: in its status, in that of its runtime, and once in an event.
func (r *Reconciler) fail(ctx context.Context, p pair, troubles []engine.Trouble) error {
	message := engine.MessageOf(troubles)
	r.tell(p.key, p.dataset, tell.ReasonErrorProcessRuntime, message)
	now := r.Now()
	return r.writeDataset(ctx, p.dataset, func(dataset *datav1alpha1.Dataset) { engine.SetFailed(dataset, message, now) })
}

// tell makes an event unless it is the same as the last for this Dataset.
func (r *Reconciler) tell(key types.NamespacedName, about client.Object, reason, message string) {
	if r.told.IsNews(key, reason, message) {
		r.Recorder.Eventf(about, nil, corev1.EventTypeWarning, reason, "Reconcile", "%s", tell.Clip(message))
	}
}

func (r *Reconciler) writeDataset(ctx context.Context, dataset *datav1alpha1.Dataset, change func(*datav1alpha1.Dataset)) error {
	changed := dataset.DeepCopy()
	change(changed)
	err := statuspatch.Write(ctx, r.Client, dataset.DeepCopy(), dataset.Status, changed.Status)
	return client.IgnoreNotFound(err)
}

func (r *Reconciler) writeRuntime(ctx context.Context, runtime *datav1alpha1.AlluxioRuntime, change func(*datav1alpha1.AlluxioRuntime)) error {
	changed := runtime.DeepCopy()
	change(changed)
	err := statuspatch.Write(ctx, r.Client, runtime.DeepCopy(), runtime.Status, changed.Status)
	return client.IgnoreNotFound(err)
}

// adopt puts label, mark and finalizer on both and makes the Dataset an owner of the runtime, before anything is made that
// would have to be taken down again.
func (r *Reconciler) adopt(ctx context.Context, p pair) error {
	id := reference.DatasetID(p.dataset)
	runtime := p.runtime.DeepCopy()
	metav1.SetMetaDataLabel(&runtime.ObjectMeta, datav1alpha1.LabelDatasetID, id)
	metav1.SetMetaDataAnnotation(&runtime.ObjectMeta, engine.AnnotationServedBy, engine.ServedBy)
	controllerutil.AddFinalizer(runtime, engine.Finalizer)
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
	return r.patchMetadata(ctx, datav1alpha1.AlluxioRuntimeKind, p.runtime, runtime)
}

// patchMetadata writes what differs in the metadata of an object, and nothing else of it, unless somebody wrote it in between.
// The object gets the version that it has then.
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
	before.SetResourceVersion(to.ResourceVersion)
	return nil
}

func metadataOf(kind string, object client.Object) *metav1.PartialObjectMetadata {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(kind))
	metadata.Namespace, metadata.Name = object.GetNamespace(), object.GetName()
	metadata.ResourceVersion, metadata.UID = object.GetResourceVersion(), object.GetUID()
	metadata.Labels, metadata.Annotations, metadata.Finalizers = object.GetLabels(), object.GetAnnotations(), object.GetFinalizers()
	metadata.OwnerReferences = object.GetOwnerReferences()
	return metadata
}
