package ref

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// difference is one place where an object isn't what its source makes of it.
type difference struct {
	// Object is the object that differs, Field the place in it; empty for the whole object.
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	// Source is what the object should be like.
	Source string `json:"source"`
	// Want and Have are the values as JSON or text, empty where there is none. Those of Secrets are never shown.
	Want string `json:"want,omitempty"`
	Have string `json:"have,omitempty"`
	// Message says what the difference is.
	Message string `json:"message"`
	// ChangedBy are the managers that the field belongs to, by the object's managedFields, the latest first.
	ChangedBy []string `json:"changedBy,omitempty"`
}

// ChangedBy returns the managers of a field, or of the whole object for no path, the latest first.
func ChangedBy(object metav1.Object, path ...any) []string {
	managers := managersOf(object, path, false)
	if len(managers) == 0 {
		managers = managersOf(object, path, true)
	}
	slices.SortStableFunc(managers, func(a, b metav1.ManagedFieldsEntry) int { return timeOf(b).Compare(timeOf(a)) })
	var texts []string
	for _, entry := range managers {
		text := entry.Manager
		if entry.Time != nil {
			text += " at " + entry.Time.UTC().Format("2006-01-02T15:04:05Z")
		}
		texts = append(texts, text)
	}
	return texts
}

func timeOf(entry metav1.ManagedFieldsEntry) time.Time {
	if entry.Time == nil {
		return time.Time{}
	}
	return entry.Time.Time
}

// managersOf returns the entries of the managers that own a field or something below it; above also counts those that
// own what the field is in. For an atomic object that is who owns the field, for others who made the object.
func managersOf(object metav1.Object, path []any, above bool) []metav1.ManagedFieldsEntry {
	var managers []metav1.ManagedFieldsEntry
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource != "status" && entry.FieldsV1 != nil && manages(entry.FieldsV1, path, above) {
			managers = append(managers, entry)
		}
	}
	return managers
}

func manages(owned *metav1.FieldsV1, path []any, above bool) bool {
	fields := &fieldpath.Set{}
	wanted, err := fieldpath.MakePath(path...)
	if err != nil || fields.FromJSON(owned.GetRawReader()) != nil {
		return false
	}
	found := false
	fields.Iterate(func(field fieldpath.Path) {
		short := min(len(field), len(wanted))
		found = found || (above || len(field) >= len(wanted)) && field[:short].Equals(wanted[:short])
	})
	return found
}

// compareTrees returns where two JSON values differ, a place each, in the order of the paths.
func compareTrees(path string, want, have any, found func(path string, want, have any)) {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			break
		}
		keys := slices.Sorted(maps.Keys(w))
		for key := range h {
			if _, both := w[key]; !both {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			compareTrees(strings.TrimPrefix(path+"."+key, "."), w[key], h[key], found)
		}
		return
	case []any:
		h, ok := have.([]any)
		if !ok {
			break
		}
		compareLists(path, w, h, found)
		return
	}
	if string(compact(want)) != string(compact(have)) {
		found(path, want, have)
	}
}

// compareLists compares elements by their names, where all of them have one, otherwise by their places.
func compareLists(path string, want, have []any, found func(path string, want, have any)) {
	wantNames, wantOK := byName(want)
	haveNames, haveOK := byName(have)
	if wantOK && haveOK {
		keys := slices.Sorted(maps.Keys(wantNames))
		for name := range haveNames {
			if wantNames[name] == nil {
				keys = append(keys, name)
			}
		}
		slices.Sort(keys)
		for _, name := range keys {
			compareTrees(path+"["+name+"]", wantNames[name], haveNames[name], found)
		}
		return
	}
	for i := range max(len(want), len(have)) {
		var w, h any
		if i < len(want) {
			w = want[i]
		}
		if i < len(have) {
			h = have[i]
		}
		compareTrees(path+"["+strconv.Itoa(i)+"]", w, h, found)
	}
}

func byName(list []any) (map[string]any, bool) {
	names := map[string]any{}
	for _, element := range list {
		object, _ := element.(map[string]any)
		name, ok := object["name"].(string)
		if !ok || names[name] != nil {
			return nil, false
		}
		names[name] = element
	}
	return names, true
}

// compact returns a value as JSON on one line, empty for none.
func compact(value any) []byte {
	if value == nil {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Append(nil, value)
	}
	return data
}

// tree returns a value as it is in JSON.
func tree(value any) any {
	var result any
	if err := json.Unmarshal(compact(value), &result); err != nil {
		return nil
	}
	return result
}

// renamed replaces strings of a tree that are names.
func renamed(value any, names map[string]string) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = renamed(v[key], names)
		}
	case []any:
		for i := range v {
			v[i] = renamed(v[i], names)
		}
	case string:
		if name, ok := names[v]; ok {
			return name
		}
	}
	return value
}
