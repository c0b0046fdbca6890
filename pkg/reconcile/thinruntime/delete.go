package thinruntime

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/owned"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/sidecars"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/thinruntime/thin"
)

func (p pair) datasetDeleting() bool { return p.dataset != nil && p.dataset.DeletionTimestamp != nil }

func (p pair) runtimeDeleting() bool { return p.runtime != nil && p.runtime.DeletionTimestamp != nil }

func (p pair) deleting() bool { return p.datasetDeleting() || p.runtimeDeleting() }

// takeDown takes volume and claim away and then lets Dataset and ThinRuntime go; Kubernetes deletes the rest with its
// owner. As in Fluid v1.0.8 a Dataset stays while references or pods need it, and a ThinRuntime that is deleted alone
// goes at once.
func (r *Reconciler) takeDown(ctx context.Context, p pair) error {
	if p.datasetDeleting() {
		if thin.BoundElsewhere(p.dataset) && !p.runtimeDeleting() {
			return nil // whoever serves it takes it down
		}
		held, err := sidecars.Holders(ctx, r.Client, p.dataset)
		if err != nil {
			return err
		}
		if held != "" {
			r.tell(p.key, p.dataset, tell.ReasonErrorDeleteDataset, held)
			return nil
		}
	}
	fluids, err := r.servedByFluid(ctx, p)
	if err != nil || fluids {
		return err
	}
	gone, err := r.volume(p).Delete(ctx, "")
	if err != nil || !gone {
		return err
	}
	if err := r.releaseRuntime(ctx, p); err != nil {
		return err
	}
	if !p.datasetDeleting() || thin.BoundElsewhere(p.dataset) {
		return nil
	}
	released := p.dataset.DeepCopy()
	controllerutil.RemoveFinalizer(released, datav1alpha1.FinalizerDataset)
	return client.IgnoreNotFound(r.patchMetadata(ctx, datav1alpha1.DatasetKind, p.dataset, released))
}

// releaseRuntime lets the ThinRuntime go. If its Dataset stays it isn't bound any more.
func (r *Reconciler) releaseRuntime(ctx context.Context, p pair) error {
	if p.runtime == nil {
		return nil
	}
	if p.dataset != nil && !p.datasetDeleting() {
		if err := r.unbind(ctx, p.dataset); err != nil {
			return err
		}
	}
	released := p.runtime.DeepCopy()
	controllerutil.RemoveFinalizer(released, datav1alpha1.FinalizerThinRuntime)
	return client.IgnoreNotFound(r.patchMetadata(ctx, datav1alpha1.ThinRuntimeKind, p.runtime, released))
}

// forgetRuntime resets a Dataset whose ThinRuntime has vanished without its finalizer, by force.
func (r *Reconciler) forgetRuntime(ctx context.Context, p pair) error {
	if !thin.HasRuntime(p.dataset) {
		return nil
	}
	// The caches of Datasets and ThinRuntimes aren't of the same moment.
	err := r.Live.Get(ctx, p.key, &datav1alpha1.ThinRuntime{})
	if apierrors.IsNotFound(err) {
		return r.unbind(ctx, p.dataset)
	}
	if err != nil {
		return fmt.Errorf("reading ThinRuntime %s: %w", p.key, err)
	}
	return nil
}

func (r *Reconciler) unbind(ctx context.Context, dataset *datav1alpha1.Dataset) error {
	_, err := r.patchStatus(ctx, dataset, func(object client.Object) {
		if dataset := object.(*datav1alpha1.Dataset); !thin.BoundElsewhere(dataset) {
			thin.SetDatasetUnbound(dataset)
		}
	})
	return err
}

// servedByFluid reports whether Fluid's own controllers made the ThinRuntime's objects: then they take them down too.
func (r *Reconciler) servedByFluid(ctx context.Context, p pair) (bool, error) {
	if p.runtime == nil {
		return false, nil
	}
	part := &thinPart{kind: "ConfigMap", live: &corev1.ConfigMap{}}
	if err := r.readPart(ctx, part, partKeys(p.key)[0]); err != nil {
		return false, err
	}
	return stateOf(p, part) == partFluids, nil
}

// volume is how the Dataset's volume and claim are deleted.
func (r *Reconciler) volume(p pair) owned.Volume {
	v := owned.Volume{Key: p.key, Live: r.Live, Writer: r.Client}
	if p.datasetDeleting() {
		v.InUse = func(message string) { r.tell(p.key, p.dataset, tell.ReasonErrorDeleteDataset, message) }
	}
	return v
}

// removeOrphans deletes volume and claim of a Dataset that vanished by force together with its runtime.
func (r *Reconciler) removeOrphans(ctx context.Context, p pair) error {
	return r.volume(p).DeleteOrphans(ctx, r.Client, &datav1alpha1.Dataset{}, &datav1alpha1.ThinRuntime{})
}
