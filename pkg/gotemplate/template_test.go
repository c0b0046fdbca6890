package gotemplate_test

import (
	"bytes"
	"testing"
	"text/template"

	. "github.com/kubectl-fluid/kubectl-fluid/pkg/gotemplate"
	"k8s.io/apimachinery/pkg/util/json"
)

const document = `{"kind": "List", "empty": "", "none": null, "n": 3, "f": 1.5, "yes": true, "html": "<a href='x'>&</a>",
	"items": [{"metadata": {"name": "a", "labels": {"x/y": "1", "b": "2"}}, "ready": true}, {"metadata": {"name": "b"}, "ready": false}], "deep": {"a": {"b": {"c": "found"}}}}`

// templates cover every kind of node and every function.
func templates() []string {
	return []string{
		"", "plain", "{{.kind}}", "{{.nosuch}}", "{{.none}}", "{{.nosuch.below.it}}", "{{.n}} {{.f}} {{.yes}}", "{{ $.kind }}", "{{/* comment */}}x",
		"{{range .items}}{{.metadata.name}},{{end}}", "{{range $i, $e := .items}}{{$i}}={{$e.metadata.name}} {{end}}", "{{range $e := .items}}{{$e.ready}}{{end}}",
		"{{range .nosuch}}x{{else}}none{{end}}", "{{range .items}}{{if .ready}}{{continue}}{{end}}{{.metadata.name}}{{end}}", "{{range .items}}{{.metadata.name}}{{break}}{{end}}",
		"{{range 3}}{{.}}{{end}}", "{{range $k, $v := .deep}}{{$k}}{{$v}}{{end}}", "{{range (index .items 0).metadata.labels}}{{.}}{{end}}",
		"{{if .empty}}a{{else if .yes}}b{{else}}c{{end}}", "{{if and .yes .n}}both{{end}}", "{{if or .empty .nosuch}}x{{else}}neither{{end}}", "{{if not .empty}}empty{{end}}",
		"{{with .deep.a}}{{.b.c}}{{end}}", "{{with .nosuch}}x{{else with .kind}}{{.}}{{end}}", "{{with $x := .n}}{{$x}}{{end}}",
		"{{$x := 1}}{{if .yes}}{{$x = 2}}{{end}}{{$x}}", "{{ .kind | len }}", "{{len .items}} {{len .deep}} {{len .kind}}", "{{index .items 1}}", "{{index .deep \"a\" \"b\" \"c\"}}",
		"{{slice .kind 1 3}}{{slice .kind 1}}{{slice .kind}}", "{{print .kind 1 2 \"a\"}}", "{{printf \"%s-%v-%5.1f\" .kind .n .f}}", "{{println .kind}}", "{{.kind | printf \"%q\"}}",
		"{{html .html}}", "{{js .html}}", "{{urlquery .html}}", "{{eq .kind \"List\"}}{{eq .kind \"a\" \"List\"}}{{ne .kind \"a\"}}{{lt .n 4}}{{le .n 3}}{{gt .n 3}}{{ge .n 3}}", "{{lt \"a\" \"b\"}}", "{{eq .yes true}}",
		"{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" .kind}}{{template \"t\"}}", "{{block \"b\" .n}}<{{.}}>{{end}}", "{{- .kind -}}  x", "{{(index .items 0).metadata.name}}",
		"{{range .items}}{{$.kind}}{{end}}", "{{1}} {{1.5}} {{0x10}} {{\"s\"}} {{`raw`}} {{true}}", "{{.items}}", "{{.deep}}", "{{and 1 0 2}} {{or 0 2}}",
		"{{range $i, $e := .items}}{{if $i}}, {{end}}{{$e.metadata.name}}{{end}}", "{{and .nosuch .n.x}}",
	}
}

// TestLikeTextTemplate: the same output as text/template, or an error where that has one.
func TestLikeTextTemplate(t *testing.T) {
	for _, text := range append(templates(),
		"{{.kind.x}}", "{{index .items 5}}", "{{index .items \"a\"}}", "{{template \"nosuch\"}}", "{{lt .n .kind}}", "{{slice .kind 9}}", "{{len .n}}", "{{range .kind.x}}{{end}}", "{{range .yes}}{{end}}", "{{.kind 1}}",
		"{{define \"r\"}}{{template \"r\"}}{{end}}{{if false}}{{template \"r\"}}{{end}}") {
		compare(t, text)
	}
	for _, text := range []string{"{{", "{{nosuch 1}}", "{{$x}}", "{{end}}", "{{if}}"} {
		if _, err := Parse("t", text); err == nil {
			t.Errorf("%q can be parsed", text)
		}
	}
}

func compare(t *testing.T, text string) {
	t.Helper()
	var data any
	if err := json.Unmarshal([]byte(document), &data); err != nil {
		t.Fatal(err)
	}
	reference, err := template.New("t").Parse(text)
	if err != nil {
		if _, ourErr := Parse("t", text); ourErr == nil {
			t.Errorf("%q can be parsed, and text/template says %v", text, err)
		}
		return
	}
	ours, err := Parse("t", text)
	if err != nil {
		t.Errorf("%q: %v", text, err)
		return
	}
	var want, got bytes.Buffer
	wantErr, gotErr := reference.Execute(&want, data), ours.Execute(&got, data)
	if (wantErr == nil) != (gotErr == nil) || wantErr == nil && want.String() != got.String() {
		t.Errorf("%q: %q, %v; text/template has %q, %v", text, got.String(), gotErr, want.String(), wantErr)
	}
	if gotErr != nil && got.Len() > 0 {
		t.Errorf("%q: %q was written before an error", text, got.String())
	}
}

// TestFunctionsOfKubectl are those that text/template doesn't have.
func TestFunctionsOfKubectl(t *testing.T) {
	for text, want := range map[string]string{
		"{{base64decode \"c3Bhcms=\"}}": "spark",
		"{{exists . \"deep\" \"a\"}}{{exists . \"nosuch\" \"a\"}}{{exists .items 1}}{{exists .items 2}}": "truefalsetruefalse",
	} {
		parsed, err := Parse("t", text)
		if err != nil {
			t.Fatal(err)
		}
		var data any
		if err := json.Unmarshal([]byte(document), &data); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, data); err != nil || out.String() != want {
			t.Errorf("%s: %q, %v", text, out.String(), err)
		}
	}
}

// TestEndlessTemplates end with an error.
func TestEndlessTemplates(t *testing.T) {
	parsed, err := Parse("t", `{{define "r"}}{{template "r"}}{{end}}{{template "r"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.Execute(&bytes.Buffer{}, nil); err == nil {
		t.Error("no error")
	}
}

// FuzzNoPanic executes whatever can be parsed.
func FuzzNoPanic(f *testing.F) {
	for _, text := range templates() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse("t", text)
		if err != nil {
			return
		}
		var data any
		if err := json.Unmarshal([]byte(document), &data); err != nil {
			t.Fatal(err)
		}
		_ = parsed.Execute(&bytes.Buffer{}, data)
	})
}
