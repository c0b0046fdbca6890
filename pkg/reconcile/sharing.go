package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/sidecars"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// revoke takes from a reference what the owner of the physical Dataset doesn't share with it any more: its mirrors, and
// with its status the permission for new pods. Volume and claim stay, since pods may run with them; whose those are is
// said once. What the reference depended on stays remembered, for the names of mirrors that nothing else tells.
func (r *ReferenceReconciler) revoke(ctx context.Context, world *reference.World, plan *reference.Plan) (again time.Duration, err error) {
	var outcome reference.Outcome
	err = errors.Join(noteRefused(&outcome, r.removeMirrors(ctx, world.Dataset, plan)), noteRefused(&outcome, r.removeSecrets(ctx, world)))
	for _, object := range world.Holders() {
		if reference.HasLostMark(world.Dataset, object) {
			err = errors.Join(err, noteRefused(&outcome, r.deleteMirror(ctx, object)))
		}
	}
	if err != nil {
		return 0, err
	}
	if outcome.Blocks() {
		world, again = world.After(outcome), unreadDelay
		plan = reference.NewPlan(world)
	}
	news, err := r.writeStatus(ctx, world, plan)
	if err != nil {
		return r.tellRefused(world.Dataset, reasonWriteRefused, err)
	}
	if !news {
		return again, nil
	}
	return again, r.reportPods(ctx, world.Dataset)
}

// removeSecrets deletes the mirrored Secrets of a reference. They can't be listed, but their names are known: from what
// would be mirrored now, and from what was while this process ran.
func (r *ReferenceReconciler) removeSecrets(ctx context.Context, world *reference.World) error {
	names := map[finding.Object]bool{}
	for object := range world.Holders() {
		names[object] = true
	}
	for _, object := range r.inputs.targets(world.Key()) {
		names[object] = true
	}
	for object := range names {
		if object.Kind != "Secret" || object.Namespace != world.Dataset.Namespace {
			continue
		}
		secret := &metav1.PartialObjectMetadata{}
		secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := r.Live.Get(ctx, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, secret)
		switch {
		case apierrors.IsNotFound(err):
		case apierrors.IsForbidden(err):
			log.FromContext(ctx).Info("Secrets may not be read here, so none is deleted", "secret", object.String())
		case err != nil:
			return fmt.Errorf("reading the mirror %s, which is to be deleted: %w", object, err)
		case reference.Owns(world.Dataset, secret), reference.HasLostMark(world.Dataset, secret):
			if err := r.deleteMirror(ctx, secret); err != nil {
				return err
			}
		}
	}
	return nil
}

// reportPods names the pods that go on having the data of a Dataset that isn't shared any more.
func (r *ReferenceReconciler) reportPods(ctx context.Context, dataset *datav1alpha1.Dataset) error {
	users, err := sidecars.Pods(ctx, r.Client, types.NamespacedName{Namespace: dataset.Namespace, Name: dataset.Name})
	if err != nil || len(users) == 0 {
		return err
	}
	r.Recorder.Eventf(dataset, nil, corev1.EventTypeWarning, "StillInUse", "Revoke",
		"The physical Dataset isn't shared with this namespace any more, but pods still have its sidecar: %s; delete them to end that", tell.Names(users))
	return nil
}
