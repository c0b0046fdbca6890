package alluxio

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// writeStatus makes the status of an object what is wanted, if it isn't. It is a merge patch of what differs, since Fluid's
// CRDs have more fields than these types, and only applies to the version that was read.
func writeStatus(ctx context.Context, writer client.StatusClient, object client.Object, present, wanted any) error {
	if equality.Semantic.DeepEqual(present, wanted) {
		return nil
	}
	from, err := fieldsOf(present)
	if err != nil {
		return err
	}
	to, err := fieldsOf(wanted)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"status": statusPatch(from, to), "metadata": map[string]any{"resourceVersion": object.GetResourceVersion()}})
	if err == nil {
		err = writer.Status().Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
	}
	if err != nil {
		return fmt.Errorf("patching the status of %T %s: %w", object, client.ObjectKeyFromObject(object), err)
	}
	return nil
}

// fieldsOf returns the fields of a status as JSON has them.
func fieldsOf(status any) (map[string]any, error) {
	encoded, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", status, err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, fmt.Errorf("decoding %T: %w", status, err)
	}
	return fields, nil
}

// statusPatch has the fields that differ, null for those that go, and fields that are zero, which CRDs require and the object
// may not have yet.
func statusPatch(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for name, value := range to {
		present, exists := from[name]
		before, beforeIsMap := present.(map[string]any)
		after, afterIsMap := value.(map[string]any)
		switch {
		case beforeIsMap && afterIsMap:
			if inner := statusPatch(before, after); len(inner) > 0 {
				patch[name] = inner
			}
		case !exists || !reflect.DeepEqual(present, value) || isEmpty(value):
			patch[name] = value
		}
	}
	for name := range from {
		if _, kept := to[name]; !kept {
			patch[name] = nil
		}
	}
	return patch
}
