package reconcile

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// wholeStatus returns a merge patch that makes a status what is wanted: every field of it, since Fluid's CRDs require
// some that are zero, and null for fields that are there and aren't wanted. Fields that the type doesn't know stay. With
// the resourceVersion of the object that present was read from, it only applies to that state: a cache that is behind
// would make the same change again.
func wholeStatus[T any](resourceVersion string, present, wanted T) (client.Patch, error) {
	from, err := fieldsOf(present)
	if err != nil {
		return nil, err
	}
	to, err := fieldsOf(wanted)
	if err != nil {
		return nil, err
	}
	withNulls(from, to)
	body := map[string]any{"status": to}
	if resourceVersion != "" {
		body["metadata"] = map[string]any{"resourceVersion": resourceVersion}
	}
	patch, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encoding a patch of %T: %w", wanted, err)
	}
	return client.RawPatch(types.MergePatchType, patch), nil
}

func fieldsOf(status any) (map[string]any, error) {
	encoded, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", status, err)
	}
	var fields map[string]any
	if err := json.Unmarshal(encoded, &fields); err != nil {
		return nil, fmt.Errorf("decoding %T: %w", status, err)
	}
	return fields, nil
}

// withNulls sets to null in to what only from has.
func withNulls(from, to map[string]any) {
	for name, value := range from {
		wanted, ok := to[name]
		if !ok {
			to[name] = nil
			continue
		}
		fromMap, fromIsMap := value.(map[string]any)
		toMap, toIsMap := wanted.(map[string]any)
		if fromIsMap && toIsMap {
			withNulls(fromMap, toMap)
		}
	}
}
