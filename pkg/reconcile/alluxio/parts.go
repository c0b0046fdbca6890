package alluxio

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio/engine"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/owned"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// part is one object of a runtime; live is nil while it doesn't exist.
type part struct{ wanted, live client.Object }

// partState says whose an object is.
type partState int

const (
	partMissing partState = iota
	partOurs
	partLeaving
	partLeftover
	partForeign
)

// readParts reads what there is of the wanted objects. Those that somebody else has are troubles; wait means that something
// of the names is about to vanish.
func (r *Reconciler) readParts(ctx context.Context, p pair, objects *engine.Objects) (parts []part, troubles []engine.Trouble, wait bool, err error) {
	wanted := append(objects.Workloads(), objects.Volume, objects.Claim)
	for _, object := range wanted {
		if err := setAppliedHash(object); err != nil {
			return nil, nil, false, err
		}
		live, err := r.readPart(ctx, object)
		if err != nil {
			return nil, nil, false, err
		}
		parts = append(parts, part{object, live})
		switch stateOf(p, live) {
		case partLeaving:
			wait = true
		case partLeftover:
			_, err := r.volume(p).Delete(ctx, p.dataset.UID)
			return nil, nil, true, err
		case partForeign:
			kind := object.GetObjectKind().GroupVersionKind().Kind
			troubles = append(troubles, engine.Trouble{Kind: engine.TroubleName, Object: finding.Object{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}.String(),
				Text: "it exists already, " + reference.Holder(live) + ", and isn't touched"})
		}
	}
	return parts, troubles, wait, nil
}

// readPart reads an object, or returns nil if it doesn't exist. The caches have nothing that isn't marked, and what they don't
// have may exist since a moment ago.
func (r *Reconciler) readPart(ctx context.Context, wanted client.Object) (client.Object, error) {
	live := wanted.DeepCopyObject().(client.Object)
	key := client.ObjectKeyFromObject(wanted)
	err := r.parts.Get(ctx, key, live)
	if apierrors.IsNotFound(err) {
		live = newLike(wanted)
		err = r.Live.Get(ctx, key, live)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %T %s: %w", wanted, key, err)
	}
	return live, nil
}

// newLike returns an empty object of the same type.
func newLike(object client.Object) client.Object {
	fresh := object.DeepCopyObject().(client.Object)
	clearObject(fresh)
	return fresh
}

// stateOf tells whose an object is.
func stateOf(p pair, live client.Object) partState {
	if live == nil {
		return partMissing
	}
	switch live.(type) {
	case *corev1.PersistentVolume, *corev1.PersistentVolumeClaim:
		return stateOfVolume(p, live)
	}
	owner := metav1.GetControllerOf(live)
	switch marked := live.GetLabels()[reference.LabelDatasetUID] != ""; {
	case owner == nil || owner.Kind != datav1alpha1.AlluxioRuntimeKind || owner.Name != p.key.Name:
		return partForeign
	case owner.UID != p.runtime.UID, marked && live.GetDeletionTimestamp() != nil:
		return partLeaving // Kubernetes deletes what an earlier runtime of the name owned
	case marked:
		return partOurs
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
