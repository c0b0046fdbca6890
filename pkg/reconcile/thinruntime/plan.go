package thinruntime

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/owned"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/thinruntime/thin"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// thinPlan is what a ThinRuntime needs, what there is of it, and what is in its way.
type thinPlan struct {
	parts []thinPart
	// problem says what the user has to change.
	problem error
	// waiting means that something of the wanted names is about to vanish, which is an event to come.
	waiting bool
	// leftover means that volume or claim is an earlier Dataset's of the same name, which vanished by force.
	leftover bool
	// servedByFluid means that Fluid's own controllers serve this ThinRuntime: everything is left to them.
	servedByFluid bool
}

// thinPart is one of the objects; wanted is nil while it can't be said what it should be, live while it doesn't exist.
type thinPart struct {
	kind   string
	wanted client.Object
	live   client.Object
	state  partState
}

type partState int

const (
	partMissing partState = iota
	partOurs
	partLeaving
	partLeftover
	partFluids
	partForeign
)

// complete reports whether all objects exist and are ours.
func (p *thinPlan) complete() bool {
	for _, part := range p.parts {
		if part.state != partOurs {
			return false
		}
	}
	return true
}

// daemonSet returns the FUSE DaemonSet as it is, or nil.
func (p *thinPlan) daemonSet() *appsv1.DaemonSet {
	for _, part := range p.parts {
		if live, ok := part.live.(*appsv1.DaemonSet); ok && part.state == partOurs {
			return live
		}
	}
	return nil
}

// plan looks at everything that setting up depends on. It writes nothing.
func (r *Reconciler) plan(ctx context.Context, p pair) (*thinPlan, error) {
	wanted, problem, err := r.desired(ctx, p)
	if err != nil {
		return nil, err
	}
	plan := &thinPlan{parts: []thinPart{
		{kind: "ConfigMap", live: &corev1.ConfigMap{}},
		{kind: "DaemonSet", live: &appsv1.DaemonSet{}},
		{kind: "PersistentVolume", live: &corev1.PersistentVolume{}},
		{kind: "PersistentVolumeClaim", live: &corev1.PersistentVolumeClaim{}},
	}}
	if problem == nil {
		for i, object := range []client.Object{wanted.ConfigMap, wanted.DaemonSet, wanted.Volume, wanted.Claim} {
			plan.parts[i].wanted = object
		}
	}
	problems := []error{problem}
	for i, key := range partKeys(p.key) {
		part := &plan.parts[i]
		if err := r.readPart(ctx, part, key); err != nil {
			return nil, err
		}
		part.state = stateOf(p, part)
		switch part.state {
		case partLeaving:
			plan.waiting = true
		case partLeftover:
			plan.leftover = true
		case partFluids:
			plan.servedByFluid = true
		case partForeign:
			problems = append(problems, fmt.Errorf("%s exists already, %s, and isn't touched: rename or delete it, or give the Dataset another name",
				finding.Object{Kind: part.kind, Namespace: key.Namespace, Name: key.Name}, reference.Holder(part.live)))
		}
	}
	plan.problem = errors.Join(problems...)
	return plan, nil
}

// partKeys returns the names of the objects in the order of thinPlan.parts.
func partKeys(key types.NamespacedName) []types.NamespacedName {
	return []types.NamespacedName{
		{Namespace: key.Namespace, Name: key.Name + thin.ConfigSuffix},
		{Namespace: key.Namespace, Name: key.Name + thin.FuseSuffix},
		{Name: reference.VolumeName(key)},
		key,
	}
}

// desired returns the objects that should exist, or what the user has to change before that can be said.
func (r *Reconciler) desired(ctx context.Context, p pair) (objects thin.Objects, problem, err error) {
	if problem = reference.ValidateName(p.key.Name); problem != nil {
		return objects, fmt.Errorf("%w; Fluid's controllers refuse it: create Dataset and ThinRuntime under another name", problem), nil
	}
	if p.runtime.Spec.ProfileName == "" {
		return objects, fmt.Errorf("ThinRuntime %s has no spec.profileName, and Dataset %s isn't a reference: set it", p.key, p.key), nil
	}
	profile := &datav1alpha1.ThinRuntimeProfile{}
	err = r.Client.Get(ctx, types.NamespacedName{Name: p.runtime.Spec.ProfileName}, profile)
	switch {
	case apierrors.IsNotFound(err):
		return objects, fmt.Errorf("ThinRuntimeProfile %s doesn't exist: create it, or correct spec.profileName of ThinRuntime %s",
			p.runtime.Spec.ProfileName, p.key), nil
	case err != nil:
		return objects, nil, fmt.Errorf("reading ThinRuntimeProfile %s: %w", p.runtime.Spec.ProfileName, err)
	}
	objects, problem = thin.Desired(p.dataset, p.runtime, profile, r.MountRoot)
	if problem != nil {
		return objects, problem, nil
	}
	return objects, nil, errors.Join(setAppliedHash(objects.ConfigMap), setAppliedHash(objects.DaemonSet))
}

// readPart reads an object that exists, or sets it to nil. The caches have only the metadata of ConfigMaps, and what
// they don't have may exist since a moment ago.
func (r *Reconciler) readPart(ctx context.Context, part *thinPart, key types.NamespacedName) error {
	var err error
	if _, uncached := part.live.(*corev1.ConfigMap); !uncached {
		if err = r.Client.Get(ctx, key, part.live); err == nil {
			return nil
		}
	}
	if err == nil || apierrors.IsNotFound(err) {
		err = r.Live.Get(ctx, key, part.live)
	}
	if apierrors.IsNotFound(err) {
		part.live = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s %s: %w", part.kind, key, err)
	}
	return nil
}

// stateOf tells whose an object is.
func stateOf(p pair, part *thinPart) partState {
	if part.live == nil {
		return partMissing
	}
	switch part.live.(type) {
	case *corev1.PersistentVolume, *corev1.PersistentVolumeClaim:
		return stateOfVolume(p, part.live)
	}
	owner := metav1.GetControllerOf(part.live)
	if owner == nil || owner.Kind != datav1alpha1.ThinRuntimeKind || owner.Name != p.key.Name {
		return partForeign
	}
	switch marked := part.live.GetLabels()[reference.LabelDatasetUID] != ""; {
	case owner.UID != p.runtime.UID, marked && part.live.GetDeletionTimestamp() != nil:
		return partLeaving // Kubernetes deletes what an earlier ThinRuntime of the name owned
	case marked:
		return partOurs
	case part.live.GetAnnotations()["meta.helm.sh/release-name"] == p.key.Name:
		return partFluids
	}
	return partForeign
}

// stateOfVolume tells whose a volume or claim is. They have no owner: the mark and the name of the claim prove it.
func stateOfVolume(p pair, object client.Object) partState {
	switch mark := owned.DatasetMark(p.key, object); {
	case mark == "":
		return partForeign
	case object.GetDeletionTimestamp() != nil:
		return partLeaving
	case mark == p.dataset.UID:
		return partOurs
	}
	return partLeftover
}

// apply makes what is missing and repairs what somebody changed. Of volume and claim only the metadata can change.
func (r *Reconciler) apply(ctx context.Context, plan *thinPlan) error {
	for i := range plan.parts {
		part := &plan.parts[i]
		var err error
		switch part.wanted.(type) {
		case *corev1.PersistentVolume, *corev1.PersistentVolumeClaim:
			err = r.createOr(ctx, part, r.repairMetadata)
		default:
			err = r.createOr(ctx, part, func(ctx context.Context, part *thinPart) error {
				return r.applyOver(ctx, part.live, part.wanted)
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) createOr(ctx context.Context, part *thinPart, repair func(context.Context, *thinPart) error) error {
	if part.live != nil {
		return repair(ctx, part)
	}
	if err := r.Client.Create(ctx, part.wanted, client.FieldOwner(reference.FieldManager)); err != nil {
		return fmt.Errorf("creating %s %s: %w", part.kind, client.ObjectKeyFromObject(part.wanted), err)
	}
	return nil
}

// repairMetadata puts labels and annotations back.
func (r *Reconciler) repairMetadata(ctx context.Context, part *thinPart) error {
	repaired := part.live.DeepCopyObject().(client.Object)
	repaired.SetLabels(labels.Merge(repaired.GetLabels(), part.wanted.GetLabels()))
	repaired.SetAnnotations(labels.Merge(repaired.GetAnnotations(), part.wanted.GetAnnotations()))
	patch := client.MergeFrom(part.live)
	if data, err := patch.Data(repaired); err != nil || string(data) == "{}" {
		return err
	}
	if err := r.Client.Patch(ctx, repaired, patch, client.FieldOwner(reference.FieldManager)); err != nil {
		return fmt.Errorf("repairing %s %s: %w", part.kind, client.ObjectKeyFromObject(part.live), err)
	}
	return nil
}
