// Package owned has what the engines of runtimes share: how they own, compare and delete the objects that they made for a
// Dataset.
package owned

import (
	"context"
	"reflect"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// OwnByApply turns the ownership of fields that comes from creating the object into ownership by apply: otherwise apply
// wouldn't remove a field that is no longer wanted. (Creating by apply would take over an object that exists.) The caches
// don't have the ownership of fields, so it is read live.
func OwnByApply(ctx context.Context, live client.Reader, writer client.Writer, key types.NamespacedName, kind schema.GroupVersionKind) error {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	if err := live.Get(ctx, key, object); err != nil {
		return err
	}
	created := slices.ContainsFunc(object.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == reference.FieldManager && e.Operation == metav1.ManagedFieldsOperationUpdate && e.Subresource == ""
	})
	if !created {
		return nil
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(object, sets.New(reference.FieldManager), reference.FieldManager)
	if err != nil || patch == nil {
		return err
	}
	return writer.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(reference.FieldManager))
}

// Contains reports whether a live value has everything that is wanted. It may have more fields, which the API server or
// somebody else set, but not more items in a list.
func Contains(live, wanted any) bool {
	switch wanted := wanted.(type) {
	case nil:
		return true
	case map[string]any:
		fields, isMap := live.(map[string]any)
		if !isMap && len(wanted) > 0 {
			return false
		}
		for name, value := range wanted {
			if !Contains(fields[name], value) {
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
			if !Contains(items[i], wanted[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(live, wanted)
	}
}
