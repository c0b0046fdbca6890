package alluxio

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/owned"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// annotationAppliedHash on an object that is kept as it should be is a hash of that: a field that is no longer wanted leaves
// no other trace.
const annotationAppliedHash = "kubectl-fluid.dev/applied-hash"

// setAppliedHash puts the hash of everything else in an object on it.
func setAppliedHash(object client.Object) error {
	text, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("hashing %s: %w", client.ObjectKeyFromObject(object), err)
	}
	sum := sha256.Sum256(text)
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotationAppliedHash] = hex.EncodeToString(sum[:8])
	object.SetAnnotations(annotations)
	return nil
}

// clearObject makes an object the zero value of its type.
func clearObject(object client.Object) {
	value := reflect.ValueOf(object).Elem()
	value.Set(reflect.Zero(value.Type()))
}

// apply makes what is missing and repairs what somebody changed, or what is to be otherwise now.
func (r *Reconciler) apply(ctx context.Context, parts []part) error {
	for _, part := range parts {
		kind := part.wanted.GetObjectKind().GroupVersionKind().Kind
		describe := func(doing string, err error) error {
			return fmt.Errorf("%s %s %s: %w", doing, kind, client.ObjectKeyFromObject(part.wanted), err)
		}
		if part.live == nil {
			// Creating never takes over what exists, as applying would.
			if err := r.Client.Create(ctx, part.wanted, client.FieldOwner(reference.FieldManager)); err != nil {
				return describe("creating", err)
			}
			continue
		}
		var err error
		switch part.wanted.(type) {
		case *corev1.PersistentVolume, *corev1.PersistentVolumeClaim:
			err = r.repairMetadata(ctx, part)
		default:
			err = r.applyOver(ctx, part)
		}
		if err != nil {
			return describe("repairing", err)
		}
	}
	return nil
}

// repairMetadata puts labels and annotations back: of volume and claim nothing else can change.
func (r *Reconciler) repairMetadata(ctx context.Context, part part) error {
	merged := func(from, over map[string]string) map[string]string {
		all := map[string]string{}
		for _, values := range []map[string]string{from, over} {
			for name, value := range values {
				all[name] = value
			}
		}
		return all
	}
	repaired := part.live.DeepCopyObject().(client.Object)
	wanted := part.wanted.GetAnnotations()
	delete(wanted, annotationAppliedHash) // what can't change needs no trace
	repaired.SetLabels(merged(repaired.GetLabels(), part.wanted.GetLabels()))
	repaired.SetAnnotations(merged(repaired.GetAnnotations(), wanted))
	patch := client.MergeFrom(part.live)
	if data, err := patch.Data(repaired); err != nil || string(data) == "{}" {
		return err
	}
	return r.Client.Patch(ctx, repaired, patch, client.FieldOwner(reference.FieldManager))
}

// applyOver makes an object that is ours as it is wanted, if it isn't. The UID keeps the write from an object that has taken
// the name in between.
func (r *Reconciler) applyOver(ctx context.Context, part part) error {
	applied, err := applyFields(part.wanted)
	if err != nil {
		return err
	}
	present, err := applyFields(part.live)
	if err != nil {
		return err
	}
	if owned.Contains(present, applied) {
		return nil
	}
	if err := owned.OwnByApply(ctx, r.Live, r.Client, client.ObjectKeyFromObject(part.live), part.wanted.GetObjectKind().GroupVersionKind()); err != nil {
		return err
	}
	configuration := &unstructured.Unstructured{Object: applied}
	configuration.SetGroupVersionKind(part.wanted.GetObjectKind().GroupVersionKind())
	configuration.SetUID(part.live.GetUID())
	return r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(configuration), client.FieldOwner(reference.FieldManager), client.ForceOwnership)
}

// applyFields returns an object's fields without its kind, which cached objects don't have, and its status.
func applyFields(object client.Object) (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"status", "kind", "apiVersion"} {
		delete(fields, name)
	}
	return fields, nil
}
