package finding_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	. "github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

const (
	root     = "../.."
	findings = root + "/docs/findings"
)

// words are what the pages say beside the catalogue's texts, in one language.
type words struct {
	directory, index, columns, severity, stop, todo string
}

func wordsIn(language Language) words {
	if language == Chinese {
		return words{findings + "/zh-CN", "# 发现\n\n`kubectl fluid` 报告的、状态条件中写明的以及准入时拒绝的内容。`kubectl fluid explain CODE` 会打印对应的页面。[English](../README.md)\n",
			"| 代码 | 严重程度 | |", "| 严重程度 | 状态条件和事件中的原因 |", "。", "如何处理"}
	}
	return words{findings, "# Findings\n\nWhat `kubectl fluid` reports, conditions say and admission refuses. `kubectl fluid explain CODE` prints a page. [中文](zh-CN/README.md)\n",
		"| Code | Severity | |", "| Severity | Reason in conditions and events |", ".", "What to do"}
}

// page is what the documentation says of a kind of finding.
func page(w words, entry Entry) string {
	text := fmt.Sprintf("# %s %s\n\n%s%s\n\n%s\n|---|---|\n| %s | `%s` |\n\n%s\n",
		entry.Code, entry.Reason, entry.Title, w.stop, w.severity, entry.Severity, entry.Reason, entry.Meaning)
	if entry.Remedy != "" {
		text += "\n## " + w.todo + "\n\n" + capitalised(entry.Remedy) + w.stop + "\n"
	}
	return text
}

func capitalised(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// pages returns the pages of a language by file name.
func pages(language Language) map[string]string {
	w := wordsIn(language)
	all := map[string]string{}
	index := w.index + "\n" + w.columns + "\n|---|---|---|\n"
	for _, entry := range CatalogueIn(language) {
		all[string(entry.Code)+".md"] = page(w, entry)
		index += fmt.Sprintf("| [%s](%s.md) | %s | %s |\n", entry.Code, entry.Code, entry.Severity, entry.Title)
	}
	all["README.md"] = index
	return all
}

// TestEveryFindingIsDocumented: docs/findings has a page for each code, with what the catalogue says, and no other; and
// so has its directory of each other language.
func TestEveryFindingIsDocumented(t *testing.T) {
	for _, language := range Languages() {
		directory, want := wordsIn(language).directory, pages(language)
		if golden.Updating() {
			writePages(t, directory, want)
		}
		files, err := os.ReadDir(directory)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if file.IsDir() {
				continue // another language
			}
			text, err := os.ReadFile(filepath.Join(directory, file.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if want[file.Name()] != string(text) {
				t.Errorf("%s/%s isn't what the catalogue says (-update writes it)", directory, file.Name())
			}
			delete(want, file.Name())
		}
		for name := range want {
			t.Errorf("there is no %s/%s (-update writes it)", directory, name)
		}
	}
}

func writePages(t *testing.T, directory string, pages map[string]string) {
	t.Helper()
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCodesAreNeverReused: testdata/codes.txt has every code that there ever was with its reason. A code in it means that
// for ever; -update only adds lines.
func TestCodesAreNeverReused(t *testing.T) {
	const file = "testdata/codes.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ever := map[string]string{}
	for line := range strings.Lines(string(text)) {
		code, reason, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || ever[code] != "" {
			t.Errorf("%s has the line %q", file, line)
		}
		ever[code] = reason
	}
	for _, entry := range Catalogue() {
		switch was := ever[string(entry.Code)]; was {
		case entry.Reason:
		case "":
			if golden.Updating() {
				text = fmt.Appendf(text, "%s %s\n", entry.Code, entry.Reason)
				continue
			}
			t.Errorf("%s isn't in %s (-update adds it)", entry.Code, file)
		default:
			t.Errorf("%s was %s and can't become %s: take a new code", entry.Code, was, entry.Reason)
		}
	}
	if golden.Updating() {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryFindingIsTested: each code is what a test or a golden file wants, by its constant, its number or its reason. The
// tests of the catalogue itself don't count, nor does what prints all of it.
func TestEveryFindingIsTested(t *testing.T) {
	wanted := map[string]bool{}
	for _, word := range regexp.MustCompile(`\bCode[A-Z]\w+|\bKF[0-9]{4}\b|"[A-Z][A-Za-z]+"`).FindAll(testSources(t), -1) {
		wanted[string(word)] = true
	}
	names := codeNames(t)
	for _, entry := range Catalogue() {
		if !wanted[names[entry.Code]] && !wanted[string(entry.Code)] && !wanted[`"`+entry.Reason+`"`] {
			t.Errorf("no test is about %s (%s, %s)", entry.Code, names[entry.Code], entry.Reason)
		}
	}
}

// codeNames returns the names of the constants of the codes.
func codeNames(t *testing.T) map[Code]string {
	t.Helper()
	names := map[Code]string{}
	for thousand := 1; thousand <= 4; thousand++ {
		file, err := parser.ParseFile(token.NewFileSet(), fmt.Sprintf("kf%d.go", thousand), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if spec, ok := node.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
				if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
					names[Code(strings.Trim(literal.Value, `"`))] = spec.Names[0].Name
				}
			}
			return true
		})
	}
	return names
}

// testSources returns the text of all tests and their golden files, but for those of the catalogue.
func testSources(t *testing.T) []byte {
	t.Helper()
	var all bytes.Buffer
	for _, directory := range []string{"pkg", "test"} {
		err := filepath.WalkDir(filepath.Join(root, directory), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !(strings.HasSuffix(path, "_test.go") || strings.Contains(path, "testdata")) {
				return err
			}
			switch entry.Name() {
			case "catalogue_test.go", "documentation_test.go", "codes.txt":
				return nil
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
