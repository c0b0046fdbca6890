package thinruntime

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// patchStatus makes a change to the status of an object of Fluid's. It writes nothing if the change changes nothing.
// The object from the cache only decides whether to look closer: the patch is made from the live object without types
// and carries the change alone, for Fluid's CRDs have more fields, also within the items of lists, than these types.
func (r *Reconciler) patchStatus(ctx context.Context, cached client.Object, change func(client.Object)) (bool, error) {
	if wanted := cached.DeepCopyObject().(client.Object); !changes(wanted, cached, change) {
		return false, nil
	}
	gvk, err := apiutil.GVKForObject(cached, r.Client.Scheme())
	if err != nil {
		return false, err
	}
	describe := func(err error) error {
		return fmt.Errorf("writing the status of %s %s: %w", gvk.Kind, client.ObjectKeyFromObject(cached), err)
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(gvk)
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(cached), live); err != nil {
		return false, describe(client.IgnoreNotFound(err))
	}
	if live.GetUID() != cached.GetUID() {
		return false, nil
	}
	before, err := r.Client.Scheme().New(gvk)
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, before)
	}
	if err != nil {
		return false, describe(err)
	}
	after := before.DeepCopyObject().(client.Object)
	if !changes(after, before.(client.Object), change) {
		return false, nil
	}
	patched := live.DeepCopy()
	if err := carryStatus(patched.Object, before, after); err != nil {
		return false, describe(err)
	}
	err = r.Client.Status().Patch(ctx, patched, client.MergeFromWithOptions(live, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, describe(err)
	}
	return true, nil
}

// changes applies a change to a copy and reports whether it differs from the original then.
func changes(duplicate, original client.Object, change func(client.Object)) bool {
	change(duplicate)
	return !equality.Semantic.DeepEqual(duplicate, original)
}

// carryStatus carries the difference between two states of an object's status over to the object as it really is.
func carryStatus(object map[string]any, before, after runtime.Object) error {
	from, err := runtime.DefaultUnstructuredConverter.ToUnstructured(before)
	if err != nil {
		return err
	}
	to, err := runtime.DefaultUnstructuredConverter.ToUnstructured(after)
	if err != nil {
		return err
	}
	status, _ := object["status"].(map[string]any)
	if status == nil {
		status = map[string]any{}
		object["status"] = status
	}
	fromStatus, _ := from["status"].(map[string]any)
	toStatus, _ := to["status"].(map[string]any)
	if _, isDataset := after.(*datav1alpha1.Dataset); isDataset && !reflect.DeepEqual(fromStatus["mounts"], toStatus["mounts"]) {
		// The mounts in the status are those of the spec, with every field that they have there.
		spec, _ := object["spec"].(map[string]any)
		status["mounts"] = runtime.DeepCopyJSONValue(spec["mounts"])
		fromStatus["mounts"] = toStatus["mounts"]
	}
	carry(status, fromStatus, toStatus)
	return nil
}

// carry makes object differ from what it is as to differs from from. What neither of them has stays. Fields of to that
// object hasn't got are written even if they don't differ: CRDs require some.
func carry(object, from, to map[string]any) {
	for name, value := range to {
		present, exists := object[name]
		if (exists && reflect.DeepEqual(from[name], value)) || (!exists && value == nil) {
			continue
		}
		switch value := value.(type) {
		case map[string]any:
			presentMap, _ := present.(map[string]any)
			if presentMap == nil {
				presentMap = map[string]any{}
			}
			fromMap, _ := from[name].(map[string]any)
			carry(presentMap, fromMap, value)
			object[name] = presentMap
		case []any:
			presentList, _ := present.([]any)
			fromList, _ := from[name].([]any)
			object[name] = carryList(presentList, fromList, value)
		default:
			object[name] = value
		}
	}
	for name := range from {
		if _, kept := to[name]; !kept {
			delete(object, name)
		}
	}
}

// carryList does the same for a list whose items have an identity; other lists are replaced.
func carryList(object, from, to []any) []any {
	list := make([]any, 0, len(to))
	for _, item := range to {
		wanted, isMap := item.(map[string]any)
		present := itemLike(object, item)
		if !isMap || present == nil {
			list = append(list, item)
			continue
		}
		carry(present, itemLike(from, item), wanted)
		list = append(list, present)
	}
	return list
}

// itemLike returns the item of a list with the same identity: a condition's type, or a runtime's namespace and name.
func itemLike(list []any, item any) map[string]any {
	identity := func(item any) [3]any {
		fields, _ := item.(map[string]any)
		if conditionType, isCondition := fields["type"]; isCondition && fields["status"] != nil {
			return [3]any{conditionType}
		}
		return [3]any{fields["namespace"], fields["name"], fields["type"]}
	}
	wanted := identity(item)
	if wanted == ([3]any{}) {
		return nil
	}
	for _, candidate := range list {
		if identity(candidate) == wanted {
			fields, _ := candidate.(map[string]any)
			return fields
		}
	}
	return nil
}
