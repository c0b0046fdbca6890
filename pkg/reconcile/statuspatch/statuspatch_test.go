package statuspatch

import (
	"reflect"
	"testing"

	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// fields decodes YAML as JSON.
func fields(t *testing.T, text string) map[string]any {
	t.Helper()
	var decoded map[string]any
	if err := yaml.Unmarshal([]byte(text), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// TestPatchHasWhatDiffersAndWhatMayBeRequired: at every level, and nothing that is as it should be.
func TestPatchHasWhatDiffersAndWhatMayBeRequired(t *testing.T) {
	for name, test := range map[string]struct{ from, to, want string }{
		"equal":                {`{a: x, l: [1], m: {b: y}}`, `{a: x, l: [1], m: {b: y}}`, `{}`},
		"changed":              {`{a: x, b: z}`, `{a: y, b: z}`, `{a: y}`},
		"added":                {`{}`, `{a: x, l: [], m: {}}`, `{a: x, l: [], m: {}}`},
		"gone":                 {`{a: x, l: [1], m: {b: y}}`, `{}`, `{a: null, l: null, m: null}`},
		"within a map":         {`{m: {a: x, b: y, c: z}}`, `{m: {a: x, b: w}}`, `{m: {b: w, c: null}}`},
		"empty values":         {`{n: 0, s: "", f: false, l: [], m: {}}`, `{n: 0, s: "", f: false, l: [], m: {}}`, `{n: 0, s: "", f: false, l: [], m: {}}`},
		"empty within a map":   {`{m: {n: 0, s: x}}`, `{m: {n: 0, s: x}}`, `{m: {n: 0}}`},
		"a list is whole":      {`{l: [1, 2]}`, `{l: [1, 3]}`, `{l: [1, 3]}`},
		"a map becomes a text": {`{m: {a: x}}`, `{m: x}`, `{m: x}`},
		"a text becomes a map": {`{m: x}`, `{m: {a: x}}`, `{m: {a: x}}`},
	} {
		if got, want := difference(fields(t, test.from), fields(t, test.to)), fields(t, test.want); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the patch is %v, want %v", name, got, want)
		}
	}
}

// TestCarryKeepsWhatTheTypesDoNotHave: beside what changes, in maps and in items of lists that have an identity.
func TestCarryKeepsWhatTheTypesDoNotHave(t *testing.T) {
	for name, test := range map[string]struct{ raw, from, to, want string }{
		"no status":              {`null`, `{n: 0}`, `{n: 0, a: x}`, `{n: 0, a: x}`},
		"a field":                {`{new: kept, a: x}`, `{a: x}`, `{a: y}`, `{new: kept, a: y}`},
		"a field goes":           {`{new: kept, a: x}`, `{a: x}`, `{}`, `{new: kept}`},
		"what raw lacks":         {`{new: kept}`, `{n: 0}`, `{n: 0}`, `{new: kept, n: 0}`},
		"within a map":           {`{m: {new: kept, a: x}}`, `{m: {a: x}}`, `{m: {a: y}}`, `{m: {new: kept, a: y}}`},
		"a condition":            {`{c: [{type: R, status: "True", new: kept}]}`, `{c: [{type: R, status: "True"}]}`, `{c: [{type: R, status: "False"}]}`, `{c: [{type: R, status: "False", new: kept}]}`},
		"another condition":      {`{c: [{type: R, status: "True", new: kept}]}`, `{c: [{type: R, status: "True"}]}`, `{c: [{type: S, status: "True"}]}`, `{c: [{type: S, status: "True"}]}`},
		"a runtime":              {`{r: [{name: a, namespace: n, new: kept}]}`, `{r: [{name: a, namespace: n}]}`, `{r: [{name: a, namespace: n, masters: 1}]}`, `{r: [{name: a, namespace: n, masters: 1, new: kept}]}`},
		"items without identity": {`{l: [x, y]}`, `{l: [x, y]}`, `{l: [x]}`, `{l: [x]}`},
	} {
		got, err := Carry(fields(t, test.raw), fields(t, test.from), fields(t, test.to))
		if want := fields(t, test.want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: it is %v, want %v (%v)", name, got, want, err)
		}
	}
}

// TestStatusesOfTypesHaveWhatTheirCRDsRequire: a patch from nothing to an empty status has the required fields.
func TestStatusesOfTypesHaveWhatTheirCRDsRequire(t *testing.T) {
	empty, err := fieldsOf(datav1alpha1.DatasetStatus{Conditions: []datav1alpha1.DatasetCondition{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []map[string]any{{}, empty} {
		if patch := difference(from, empty); !reflect.DeepEqual(patch["conditions"], []any{}) {
			t.Errorf("from %v the patch is %v", from, patch)
		}
	}
}
