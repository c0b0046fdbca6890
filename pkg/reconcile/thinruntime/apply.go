package thinruntime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	if contains(present, applied) {
		return nil
	}
	if err := r.ownByApply(ctx, client.ObjectKeyFromObject(live), kind); err != nil {
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

// ownByApply turns the ownership of fields that comes from creating the object into ownership by apply: otherwise
// apply wouldn't remove a field that is no longer wanted. (Creating by apply would take over an object that exists.)
// The caches don't have the ownership of fields, so it is read live.
func (r *Reconciler) ownByApply(ctx context.Context, key types.NamespacedName, kind schema.GroupVersionKind) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(kind)
	if err := r.Live.Get(ctx, key, live); err != nil {
		return err
	}
	created := slices.ContainsFunc(live.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == reference.FieldManager && e.Operation == metav1.ManagedFieldsOperationUpdate && e.Subresource == ""
	})
	if !created {
		return nil
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(reference.FieldManager), reference.FieldManager)
	if err != nil || patch == nil {
		return err
	}
	return r.Client.Patch(ctx, live, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(reference.FieldManager))
}

// contains reports whether a live value has everything that is wanted. It may have more fields, which the API server
// or somebody else set, but not more items in a list.
func contains(live, wanted any) bool {
	switch wanted := wanted.(type) {
	case nil:
		return true
	case map[string]any:
		fields, isMap := live.(map[string]any)
		if !isMap && len(wanted) > 0 {
			return false
		}
		for name, value := range wanted {
			if !contains(fields[name], value) {
				return false
			}
		}
		return true
	case []any:
		items, _ := live.([]any)
		if len(items) != len(wanted) {
			return false
		}
		for i := range wanted {
			if !contains(items[i], wanted[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(live, wanted)
	}
}
