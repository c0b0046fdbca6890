// Package statuspatch writes the statuses of Fluid's objects. Their CRDs may have more fields than this project's types, also
// in a version of Fluid that is newer; a status that is written here keeps these.
package statuspatch

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Write makes the status of an object what is wanted, and the object what the API server answers. Present is the status as
// it was read with the object, of the same type as wanted: a struct of the API, or a map from a decoder. Nothing is written
// if they are equal.
//
// The patch only applies to the resourceVersion that the object was read in, if it has one: whoever reads a cache that is
// behind would make the same change again. The error then is a conflict.
func Write(ctx context.Context, writer client.StatusClient, object client.Object, present, wanted any) error {
	describe := func(err error) error {
		return fmt.Errorf("patching the status of %T %s: %w", object, client.ObjectKeyFromObject(object), err)
	}
	if equality.Semantic.DeepEqual(present, wanted) {
		return nil
	}
	from, err := fieldsOf(present)
	if err != nil {
		return describe(err)
	}
	to, err := fieldsOf(wanted)
	if err != nil {
		return describe(err)
	}
	body := map[string]any{"status": difference(from, to)}
	if version := object.GetResourceVersion(); version != "" {
		body["metadata"] = map[string]any{"resourceVersion": version}
	}
	patch, err := json.Marshal(body)
	if err == nil {
		err = writer.Status().Patch(ctx, object, client.RawPatch(types.MergePatchType, patch))
	}
	if err != nil {
		return describe(err)
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

// difference returns what a merge patch must have to make one status of another: fields that differ, and null for those that
// go. Empty values are in it even if they don't differ: a type has them where its CRD requires the field, and the object may
// not have it yet.
func difference(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for name, value := range to {
		present, exists := from[name]
		presentMap, presentIsMap := present.(map[string]any)
		wantedMap, wantedIsMap := value.(map[string]any)
		switch {
		case presentIsMap && wantedIsMap:
			if inner := difference(presentMap, wantedMap); len(inner) > 0 || len(wantedMap) == 0 {
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

// isEmpty reports whether a value of JSON is the zero value of its type.
func isEmpty(value any) bool {
	if list, isList := value.([]any); isList {
		return len(list) == 0
	}
	return value == nil || reflect.ValueOf(value).IsZero()
}
