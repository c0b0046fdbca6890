package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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

// changedBy returns the managers of a field, or of the whole object for no path, the latest first.
func changedBy(object metav1.Object, path ...any) []string {
	type change struct {
		text string
		time metav1.Time
	}
	var changes []change
	for _, entry := range object.GetManagedFields() {
		if !manages(entry, path) {
			continue
		}
		c := change{text: entry.Manager}
		if entry.Time != nil {
			c.time = *entry.Time
			c.text += " at " + entry.Time.UTC().Format("2006-01-02T15:04:05Z")
		}
		changes = append(changes, c)
	}
	slices.SortStableFunc(changes, func(a, b change) int { return b.time.Compare(a.time.Time) })
	var texts []string
	for _, c := range changes {
		texts = append(texts, c.text)
	}
	return texts
}

// manages reports whether the manager of an entry owns a field, something below it, or, for no path, anything.
func manages(entry metav1.ManagedFieldsEntry, path []any) bool {
	if entry.Subresource == "status" || entry.FieldsV1 == nil {
		return false
	}
	if len(path) == 0 {
		return true
	}
	fields := &fieldpath.Set{}
	if err := fields.FromJSON(bytes.NewReader(entry.FieldsV1.Raw)); err != nil {
		return false
	}
	wanted, err := fieldpath.MakePath(path...)
	if err != nil {
		return false
	}
	found := false
	fields.Iterate(func(owned fieldpath.Path) {
		short := min(len(owned), len(wanted))
		// A manager that owns a whole object owns what is in it, as that of an atomic map does.
		found = found || owned[:short].Equals(wanted[:short]) && (len(owned) >= len(wanted) || fields.Has(owned))
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
