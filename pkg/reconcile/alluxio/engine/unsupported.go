package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// fluidsDefaults are values that Fluid's CRD (v1.0.8) fills in where the user says nothing: they ask for nothing.
func fluidsDefaults() map[string]any {
	return map[string]any{
		"management.cleanCachePolicy.gracePeriodSeconds": 60.0,
		"management.cleanCachePolicy.maxRetryAttempts":   3.0,
	}
}

// notHonoured are fields that this project's types have for other components than the one that they are said of.
var notHonoured = []string{"jobMaster.replicas", "worker.replicas", "jobWorker.replicas", "jobMaster.nodeSelector", "jobWorker.nodeSelector"}

// Unsupported returns the fields of an AlluxioRuntime's spec, as JSON has it, that this engine doesn't honour and that ask
// for something: sorted paths below spec. Fluid's type has many more fields than this project's, and newer ones will have
// others still, so what counts is which fields its type doesn't keep.
func Unsupported(spec map[string]any) ([]string, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("encoding the spec of an AlluxioRuntime: %w", err)
	}
	var typed datav1alpha1.AlluxioRuntimeSpec
	if err = json.Unmarshal(text, &typed); err != nil {
		return nil, fmt.Errorf("reading the spec of an AlluxioRuntime: %w", err)
	}
	kept, err := json.Marshal(typed)
	if err != nil {
		return nil, fmt.Errorf("encoding the spec of an AlluxioRuntime: %w", err)
	}
	var from, to map[string]any
	if err = json.Unmarshal(text, &from); err != nil {
		return nil, err
	}
	if err = json.Unmarshal(kept, &to); err != nil {
		return nil, err
	}
	lost := map[string]bool{}
	findLost("", from, to, lost)
	for _, field := range notHonoured {
		if says(from, strings.Split(field, ".")) {
			lost[field] = true
		}
	}
	return slices.Sorted(maps.Keys(lost)), nil
}

// findLost notes what to hasn't got of from and isn't empty.
func findLost(path string, from, to any, lost map[string]bool) {
	if isEmpty(from) || reflect.DeepEqual(fluidsDefaults()[path], from) {
		return
	}
	switch from := from.(type) {
	case map[string]any:
		kept, _ := to.(map[string]any)
		for name, value := range from {
			findLost(strings.TrimPrefix(path+"."+name, "."), value, kept[name], lost)
		}
	case []any:
		kept, _ := to.([]any)
		for i, value := range from {
			var other any
			if i < len(kept) {
				other = kept[i]
			}
			findLost(path, value, other, lost) // one finding for a field, whichever of the list's items has it
		}
	default:
		if to == nil {
			lost[path] = true
		}
	}
}

// isEmpty reports whether a value asks for nothing.
func isEmpty(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return value == nil || reflect.ValueOf(value).IsZero()
}

// says reports whether a field is there and asks for something.
func says(fields map[string]any, path []string) bool {
	value, ok := fields[path[0]]
	if !ok || len(path) == 1 {
		return ok && !isEmpty(value)
	}
	inner, _ := value.(map[string]any)
	return inner != nil && says(inner, path[1:])
}
