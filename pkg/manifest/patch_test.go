package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// TestPatchGolden patches each testdata/NAME.in.yaml with NAME.patch.json; NAME.out.yaml is what comes out.
func TestPatchGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			name := strings.TrimSuffix(file, ".in.yaml")
			document, patch := read(t, file), read(t, name+".patch.json")
			got, err := Patch(document, patch)
			if err != nil {
				t.Fatal(err)
			}
			saysWhatThePatchMakes(t, document, patch, got)
			golden.Compare(t, name+".out.yaml", got)
		})
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// saysWhatThePatchMakes compares a patched document with the patched JSON of it.
func saysWhatThePatchMakes(t *testing.T, document, patch, got []byte) {
	t.Helper()
	before, err := JSON(document)
	if err != nil {
		t.Fatal(err)
	}
	operations, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	want, err := operations.Apply(before)
	if err != nil {
		t.Fatal(err)
	}
	after, err := JSON(got)
	if err != nil {
		t.Fatalf("%v in\n%s", err, got)
	}
	var a, b any
	if json.Unmarshal(after, &a) != nil || json.Unmarshal(want, &b) != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("says\n%s\nwant\n%s", after, want)
	}
}

// TestPatchErrors has documents and patches that don't go together: nothing is made of them.
func TestPatchErrors(t *testing.T) {
	for _, test := range []struct{ name, document, patch string }{
		{"empty", "# nothing\n", `[{"op":"add","path":"/a","value":1}]`},
		{"no YAML", "a: [", `[{"op":"add","path":"/a","value":1}]`},
		{"a key twice", "a: 1\na: 2\n", `[{"op":"add","path":"/b","value":1}]`},
		{"no parent", "a: 1\n", `[{"op":"add","path":"/b/c","value":1}]`},
		{"no element", "a: [1]\n", `[{"op":"add","path":"/a/2","value":1}]`},
		{"a value as parent", "a: 1\n", `[{"op":"add","path":"/a/b","value":1}]`},
		{"removal", "a: 1\n", `[{"op":"remove","path":"/a"}]`},
		{"no patch", "a: 1\n", `{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := Patch([]byte(test.document), []byte(test.patch)); err == nil || got != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		stream string
		want   []string
	}{
		{"", nil},
		{"a: 1\n", []string{"a: 1\n"}},
		{"---\na: 1\n---\nb: 2", []string{"---\na: 1\n", "---\nb: 2"}},
		{"# head\n---\na: 1\n", []string{"# head\n", "---\na: 1\n"}},
		{"\n\n---\na: 1\n", []string{"\n\n---\na: 1\n"}},
		{"--- # one\na: |\n  --- no\n---x: 1\n--- {b: 2}\n", []string{"--- # one\na: |\n  --- no\n---x: 1\n", "--- {b: 2}\n"}},
		{"%YAML 1.2\n---\na: 1\n...\nb: 1\n", []string{"%YAML 1.2\n", "---\na: 1\n...\n", "b: 1\n"}},
		{"a: 1\r\n---\r\nb: 1\r\n", []string{"a: 1\r\n", "---\r\nb: 1\r\n"}},
	} {
		var got []string
		for _, document := range Split([]byte(test.stream)) {
			got = append(got, string(document))
		}
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.stream, got, test.want)
		}
	}
}

// FuzzPatch patches documents that people write: the parts of a stream stay the stream, and a document that can be
// patched says what the patch makes of it.
func FuzzPatch(f *testing.F) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, "/spec/containers/0", "x: y")
		f.Add(data, "/metadata/labels/a~1b", "yes")
	}
	f.Add([]byte("a: &x {b: [1, 2]}\nc: *x\nd:\n  <<: *x\n"), "/c/b/-", "1e3")
	f.Add([]byte("- a\n-   - b\n"), "/1/0", "")
	f.Fuzz(func(t *testing.T, document []byte, path, value string) {
		if joined := bytes.Join(Split(document), nil); !bytes.Equal(joined, document) {
			t.Fatalf("the parts are %q", joined)
		}
		patch, err := json.Marshal([]map[string]any{{"op": "add", "path": path, "value": map[string]any{"n": 1, "s": value, "l": []string{value}}}})
		if err != nil {
			t.Skip()
		}
		got, err := Patch(document, patch)
		if err != nil {
			return
		}
		saysWhatThePatchMakes(t, document, patch, got)
		again, err := Patch(document, []byte("[]"))
		if err != nil {
			t.Fatalf("it can be patched, but not left alone: %v", err)
		}
		if !bytes.Contains(document, []byte{'\r'}) && !bytes.Equal(again, document) && !bytes.HasPrefix(document, []byte("--- ")) {
			t.Errorf("without a change %q became %q", document, again)
		}
	})
}
