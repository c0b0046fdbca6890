package reference_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

const (
	root     = "../.."
	findings = root + "/docs/findings"
)

// page is what the documentation says of a kind of finding.
func page(entry Entry) string {
	text := fmt.Sprintf("# %s %s\n\n%s.\n\n| Severity | Reason in conditions and events |\n|---|---|\n| %s | `%s` |\n\n%s\n",
		entry.Code, entry.Reason, entry.Title, entry.Severity, entry.Reason, entry.Meaning)
	if entry.Remedy != "" {
		text += "\n## What to do\n\n" + strings.ToUpper(entry.Remedy[:1]) + entry.Remedy[1:] + ".\n"
	}
	return text
}

// TestEveryFindingIsDocumented: docs/findings has a page for each code, with what the catalogue says, and no other.
func TestEveryFindingIsDocumented(t *testing.T) {
	want := map[string]string{}
	index := "# Findings\n\nWhat `kubectl fluid` reports, conditions say and admission refuses. `kubectl fluid explain CODE` prints a page.\n\n| Code | Severity | |\n|---|---|---|\n"
	for _, entry := range Catalogue() {
		want[string(entry.Code)+".md"] = page(entry)
		index += fmt.Sprintf("| [%s](%s.md) | %s | %s |\n", entry.Code, entry.Code, entry.Severity, entry.Title)
	}
	want["README.md"] = index
	if *update {
		if err := os.MkdirAll(findings, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(findings, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(findings)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(findings, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if want[file.Name()] != string(text) {
			t.Errorf("docs/findings/%s isn't what the catalogue says (-update writes it)", file.Name())
		}
		delete(want, file.Name())
	}
	for name := range want {
		t.Errorf("there is no docs/findings/%s (-update writes it)", name)
	}
}

// TestEveryFindingIsTested: each code is in a test, by its constant, its number or its reason, beside the tests of the
// catalogue itself.
func TestEveryFindingIsTested(t *testing.T) {
	tests := testSources(t)
	names := codeNames(t)
	for _, entry := range Catalogue() {
		found := false
		for _, name := range []string{names[entry.Code], string(entry.Code), entry.Reason} {
			found = found || (name != "" && bytes.Contains(tests, []byte(name)))
		}
		if !found {
			t.Errorf("no test is about %s (%s, %s)", entry.Code, names[entry.Code], entry.Reason)
		}
	}
}

// codeNames returns the names of the constants of the codes.
func codeNames(t *testing.T) map[Code]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	names := map[Code]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
				names[Code(strings.Trim(literal.Value, `"`))] = spec.Names[0].Name
			}
		}
		return true
	})
	return names
}

// testSources returns the text of all tests and their golden files.
func testSources(t *testing.T) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, directory := range []string{"pkg", "test"} {
		err := filepath.WalkDir(filepath.Join(root, directory), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !(strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata")) {
				return err
			}
			content, err := os.ReadFile(path)
			all.Write(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}
