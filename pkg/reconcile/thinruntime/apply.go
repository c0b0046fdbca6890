package thinruntime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/owned"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// annotationAppliedHash on an object that is kept as it should be is a hash of that: a field that is no longer wanted
// leaves no other trace.
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

// applyOver makes an object that is ours as it is wanted, if it isn't. The UID keeps the write from an object that has
// taken the name in between.
func (r *Reconciler) applyOver(ctx context.Context, live, wanted client.Object) error {
	kind := wanted.GetObjectKind().GroupVersionKind()
	describe := func(doing string, err error) error {
		return fmt.Errorf("%s %s %s: %w", doing, kind.Kind, client.ObjectKeyFromObject(wanted), err)
	}
	applied, err := applyFields(wanted)
	if err != nil {
		return describe("converting", err)
	}
	present, err := applyFields(live)
	if err != nil {
		return describe("converting", err)
	}
	if owned.Contains(present, applied) {
		return nil
	}
	if err = owned.OwnByApply(ctx, r.Live, r.Client, client.ObjectKeyFromObject(live), kind); err != nil {
		return describe("taking over the fields of", err)
	}
	configuration := &unstructured.Unstructured{Object: applied}
	configuration.SetGroupVersionKind(kind)
	configuration.SetUID(live.GetUID())
	err = r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(configuration), client.FieldOwner(reference.FieldManager), client.ForceOwnership)
	if err != nil {
		return describe("repairing", err)
	}
	return nil
}

// applyFields returns an object's fields without its kind, which cached objects don't have, and its status.
func applyFields(object client.Object) (map[string]any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	delete(fields, "status")
	delete(fields, "kind")
	delete(fields, "apiVersion")
	return fields, nil
}
