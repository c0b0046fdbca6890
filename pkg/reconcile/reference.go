package reconcile

import (
	"cmp"
	"context"
	"fmt"
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
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/statuspatch"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// The rights that serving references takes. Secrets are mirrored where somebody binds the second role.
// +kubebuilder:rbac:groups=data.fluid.io,resources=datasets,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=data.fluid.io,resources=thinruntimes,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups=data.fluid.io,resources=datasets/status;thinruntimes/status,verbs=patch
// +kubebuilder:rbac:groups=data.fluid.io,resources=alluxioruntimes;juicefsruntimes;jindoruntimes,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims;persistentvolumes;configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=daemonsets,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;patch;delete,roleName=kubectl-fluid-secrets

// ReferenceReconciler makes the Plan of each reference true: its ThinRuntime, volume, claim and mirrors, and its status.
type ReferenceReconciler struct {
	// Client reads informer caches and writes with this project's field manager.
	Client client.Client
	// Live reads from the API server: the contents of mirrors and of their sources aren't cached.
	Live        client.Reader
	Recorder    events.EventRecorder
	MirrorNames reference.MirrorNames
	// BesideFluid says whether Fluid's own controllers serve references too; empty means BesideFluidAuto.
	BesideFluid BesideFluid
	// Sharing says whose consent references need. Who created one isn't known here, so that of owners is enforced only.
	Sharing reference.Sharing
	// Controller is the ServiceAccount by which this process acts, for findings that say what rights it lacks.
	Controller types.NamespacedName
	Now        func() time.Time

	memories
	secrets  secretWatches
	runtimes runtimeWatches
}

// Reconcile brings one reference nearer to its Plan.
func (r *ReferenceReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	again, err := r.reconcile(ctx, request.NamespacedName)
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		log.FromContext(ctx).V(1).Info("Trying again with a newer cache", "reason", err.Error())
		return ctrl.Result{RequeueAfter: queue.StaleDelay}, nil
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
		r.forget(key)
		return r.releaseOrphan(ctx, key, "")
	case !reference.IsReference(dataset), r.written.isBehind(key, dataset.ResourceVersion):
		return 0, nil
	}
	read := dataset.ResourceVersion
	defer func() { r.written.note(key, read, dataset.ResourceVersion) }()
	return r.reconcileLive(ctx, dataset)
}

// reconcileLive is reconcile for a reference that exists.
func (r *ReferenceReconciler) reconcileLive(ctx context.Context, dataset *datav1alpha1.Dataset) (again time.Duration, err error) {
	key := client.ObjectKeyFromObject(dataset)
	if dataset.DeletionTimestamp != nil {
		if again, err = r.finalize(ctx, dataset); err != nil {
			return r.tellRefused(dataset, tell.ReasonErrorDeleteDataset, err)
		}
		return again, nil
	}
	orphan, err := r.releaseOrphan(ctx, key, dataset.UID)
	if err != nil {
		return 0, err
	}
	removed, err := r.removeLeftover(ctx, dataset)
	if err != nil || removed {
		return 0, err // its end is an event
	}
	var adoption reference.Outcome
	if err = noteRefused(&adoption, r.adopt(ctx, dataset)); err != nil {
		return 0, err
	}
	policy := reference.Policy{MirrorNames: r.MirrorNames, Sharing: r.Sharing, Controller: &r.Controller, Depth: reference.ForWriting}
	world, plan, err := observe.Plan(ctx, secretReader{r.Client, &r.secrets}, dataset, policy)
	if err != nil {
		return 0, err
	}
	if err = r.runtimes.ensure(world.Physical); err != nil {
		return 0, err
	}
	if left := r.created.awaited(world, r.Now()); left > 0 {
		return left, nil // unless the events come first, which they do
	}
	if world = world.After(adoption); adoption.Blocks() {
		plan = reference.NewPlan(world)
	}
	again, err = r.makeTrue(ctx, world, plan)
	return cmp.Or(orphan, again), err // while the orphan has the name, there is nothing else to look for
}

// makeTrue writes what differs from a plan.
func (r *ReferenceReconciler) makeTrue(ctx context.Context, world *reference.World, plan *reference.Plan) (again time.Duration, err error) {
	if plan.NotShared() {
		return r.revoke(ctx, world, plan)
	}
	if plan.Sidecar != nil && r.inputs.remember(plan) { // or it isn't known, and what there is stays what there was
		r.secrets.keepNeeded(r.inputs.needsSecrets)
	}
	watched, err := r.watchSecrets(plan.Reference)
	if err != nil {
		return 0, err
	}
	if plan.Creatable() && !world.Outcome.Blocks() { // without our finalizer nothing is made that only we take away
		outcome, err := r.apply(ctx, world, plan)
		if err != nil {
			return 0, err
		}
		world = world.After(outcome)
		if outcome.Blocks() {
			plan = reference.NewPlan(world)
		}
	}
	if _, err := r.writeStatus(ctx, world, plan); err != nil {
		return r.tellRefused(world.Dataset, reasonWriteRefused, err)
	}
	switch {
	case world.HasUnread() || len(world.Outcome.Refused) > 0:
		return unreadDelay, nil
	case !watched:
		return secretDelay, nil
	}
	return 0, nil
}

// watchSecrets watches the Secrets that a reference depends on, and reports whether all their changes are events.
func (r *ReferenceReconciler) watchSecrets(key types.NamespacedName) (watched bool, err error) {
	watched = true
	for namespace := range r.inputs.secretNamespacesOf(key) {
		inSync, err := r.secrets.ensure(namespace)
		if err != nil {
			return false, err
		}
		watched = watched && inSync
	}
	return watched, nil
}

// forget drops what is known of a reference that is gone, and ends the watches that only it needed.
func (r *ReferenceReconciler) forget(key types.NamespacedName) {
	needed := r.inputs.secretNamespacesOf(key)
	r.memories.forget(key)
	if len(needed) > 0 {
		r.secrets.keepNeeded(r.inputs.needsSecrets)
	}
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
	err := r.patch(ctx, dataset, before)
	if queue.IsRefusal(err) {
		before.DeepCopyInto(dataset) // what it still is
	}
	return err
}

// patch writes what has changed of an object's metadata, if nobody else wrote it meanwhile: finalizers are a list,
// which a merge patch replaces.
func (r *ReferenceReconciler) patch(ctx context.Context, object, before client.Object) error {
	err := r.Client.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil {
		return r.refused(object, fmt.Errorf("patching %T %s: %w", object, client.ObjectKeyFromObject(object), err))
	}
	return nil
}

// apply creates what is missing and repairs the mirrors. What the API server refuses is in the Outcome, and the rest goes
// on; but the claim isn't made before all mirrors are there: pods that have it could start without them.
func (r *ReferenceReconciler) apply(ctx context.Context, world *reference.World, plan *reference.Plan) (outcome reference.Outcome, err error) {
	for _, mirror := range plan.Mirrors {
		stale, refusal := r.applyMirror(ctx, world, mirror)
		if err = noteRefused(&outcome, refusal); err != nil {
			return outcome, err
		}
		if stale {
			outcome.NoteStale(mirror.Target)
		}
	}
	allMirrors := len(outcome.Refused) == 0
	if err = noteRefused(&outcome, r.removeMirrors(ctx, world.Dataset, plan)); err != nil {
		return outcome, err
	}
	if err = r.createMissing(ctx, world, plan, allMirrors, &outcome); err != nil {
		return outcome, err
	}
	templated, err := r.hasFluidWebhook(ctx)
	if err != nil || !templated {
		return outcome, err
	}
	return outcome, noteRefused(&outcome, r.applyFuseTemplate(ctx, world, plan))
}

// createMissing creates those of a reference's ThinRuntime, volume and claim that aren't there.
func (r *ReferenceReconciler) createMissing(ctx context.Context, world *reference.World, plan *reference.Plan, allMirrors bool, outcome *reference.Outcome) error {
	if world.ThinRuntime == nil {
		err := r.create(ctx, world.Key(), plan.ThinRuntime)
		if err == nil {
			outcome.ThinRuntime = plan.ThinRuntime
		}
		if err = noteRefused(outcome, err); err != nil {
			return err
		}
	}
	if world.Volume == nil {
		if err := noteRefused(outcome, r.create(ctx, world.Key(), plan.Volume)); err != nil {
			return err
		}
	}
	if world.Claim == nil && allMirrors {
		return noteRefused(outcome, r.create(ctx, world.Key(), plan.Claim))
	}
	return nil
}

// create creates an object for a reference.
func (r *ReferenceReconciler) create(ctx context.Context, key types.NamespacedName, object client.Object) error {
	if err := r.Client.Create(ctx, object); err != nil {
		return r.refused(object, fmt.Errorf("creating %T %s: %w", object, client.ObjectKeyFromObject(object), err))
	}
	name, err := r.objectOf(object)
	if err == nil {
		r.created.note(key, name, r.Now())
	}
	return err
}

// writeStatus writes the statuses of the reference and of its ThinRuntime where they differ. A new reference of which
// the physical Dataset doesn't know yet gets its first status when it does, which is at once. It returns whether there
// was something new to report.
func (r *ReferenceReconciler) writeStatus(ctx context.Context, world *reference.World, plan *reference.Plan) (news bool, err error) {
	beside, err := r.isBesideFluid(ctx)
	if err != nil {
		return false, err
	}
	if beside || (r.BesideFluid != BesideFluidFalse && r.erasures.giveUp(plan.Reference, world.Dataset.Status.Conditions, r.Now())) {
		return r.writeStatusBesideFluid(ctx, world, plan)
	}
	blocking, blocked := plan.Findings.First()
	if blocked && blocking.Code == finding.CodeNotRecorded && world.Dataset.Status.Phase == datav1alpha1.NonePhase {
		return false, nil
	}
	if err := r.writeRuntimeStatus(ctx, world, plan); err != nil {
		return false, err
	}
	before := world.Dataset.Status
	if equality.Semantic.DeepEqual(before, plan.Status) {
		return false, nil
	}
	reference.StampCondition(&plan.Status, metav1.NewTime(r.Now()))
	if err := statuspatch.Write(ctx, r.Client, world.Dataset, before, plan.Status); err != nil {
		return false, err
	}
	r.erasures.put(plan.Reference, before.Conditions, r.Now())
	return r.report(world.Dataset, before.Conditions, plan), nil
}

// writeRuntimeStatus writes the status of the reference's ThinRuntime if it differs.
func (r *ReferenceReconciler) writeRuntimeStatus(ctx context.Context, world *reference.World, plan *reference.Plan) error {
	thin := world.ThinRuntime
	if thin == nil || plan.RuntimeStatus == nil || !plan.Creatable() {
		return nil
	}
	return statuspatch.Write(ctx, r.Client, thin.DeepCopy(), thin.Status, *plan.RuntimeStatus)
}

// report makes an event when the condition changes, not at every reconcile, and returns whether it did. A reference that
// is ready from the start makes none: its status says so, and an event is one more write.
func (r *ReferenceReconciler) report(dataset *datav1alpha1.Dataset, before []datav1alpha1.DatasetCondition, plan *reference.Plan) bool {
	old, now := readyCondition(before), readyCondition(plan.Status.Conditions)
	if (old.Reason == now.Reason && old.Message == now.Message) || (old.Reason == "" && now.Reason == reference.ReasonReady) {
		return false
	}
	return r.reportCondition(dataset, plan)
}

// reportCondition makes an event of a plan's condition, unless it was the last one already: the cache may not have the
// last change yet.
func (r *ReferenceReconciler) reportCondition(dataset *datav1alpha1.Dataset, plan *reference.Plan) bool {
	now := readyCondition(plan.Status.Conditions)
	if !r.said.IsNews(plan.Reference, now.Reason, now.Message) {
		return false
	}
	eventType := corev1.EventTypeNormal
	if len(plan.Findings.Of(finding.Error)) > 0 {
		eventType = corev1.EventTypeWarning
	}
	r.Recorder.Eventf(dataset, nil, eventType, now.Reason, "Reconcile", "%s", tell.Clip(now.Message))
	return true
}

func readyCondition(conditions []datav1alpha1.DatasetCondition) datav1alpha1.DatasetCondition {
	for _, condition := range conditions {
		if condition.Type == reference.ConditionReferenceReady {
			return condition
		}
	}
	return datav1alpha1.DatasetCondition{}
}
