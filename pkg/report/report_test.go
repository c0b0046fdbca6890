package report_test

import (
	"bytes"
	"io"
	"path/filepath"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/report"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// groups have each state, and texts that would be markup in one of the formats.
func groups(language finding.Language) []Group {
	f := func(code finding.Code, name, message string) Result {
		return NewResult(finding.New(code, finding.Object{Kind: "ConfigMap", Namespace: "ref", Name: name}, "%s", message), language)
	}
	fromFile := f(finding.CodeMirrorNameTaken, "phy-config", "it is taken: owned by <AlluxioRuntime> phy | *x* @all")
	fromFile.File = "./manifests/ref.yaml"
	return []Group{
		{Name: "Dataset ref/refdemo", Results: []Result{
			NewPass("Dataset default/phy", "it is Bound"), fromFile,
			f(finding.CodePhysicalMissing, "waiting", "it doesn't exist"),
			f(finding.CodeUnread, "unread", "forbidden & so on"),
			f(finding.CodeSourceNameInUse, "note", "in use"),
			NewSkipped("Pod ref/nginx", "left out by --only"),
		}},
		{Name: "Dataset ref/nothing", Results: nil},
	}
}

// TestFormats compares each format, in each language, with what it was.
func TestFormats(t *testing.T) {
	safe := func(s string) string { return s }
	english, chinese := finding.English, finding.Chinese
	for name, write := range map[string]func(io.Writer) error{
		"short.txt":   func(out io.Writer) error { return WriteShort(out, groups(english), english, safe) },
		"markdown.md": func(out io.Writer) error { return WriteMarkdown(out, groups(english), english, safe) },
		"junit.xml": func(out io.Writer) error {
			return WriteJUnit(out, groups(english), Policy{FailOn: FailOnWarning}, english)
		},
		"sarif.json":     func(out io.Writer) error { return WriteSARIF(out, groups(english), "v1.2.3", english) },
		"short.zh.txt":   func(out io.Writer) error { return WriteShort(out, groups(chinese), chinese, safe) },
		"markdown.zh.md": func(out io.Writer) error { return WriteMarkdown(out, groups(chinese), chinese, safe) },
		"junit.zh.xml": func(out io.Writer) error {
			return WriteJUnit(out, groups(chinese), Policy{FailOn: FailOnWarning}, chinese)
		},
		"sarif.zh.json": func(out io.Writer) error { return WriteSARIF(out, groups(chinese), "v1.2.3", chinese) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := write(&out); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, filepath.Join("testdata", name), out.Bytes())
		})
	}
}

// TestVerdicts: what couldn't be looked at is never fine for who is strict, and no policy makes an error of a pass.
func TestVerdicts(t *testing.T) {
	for _, test := range []struct {
		policy  Policy
		results []Result
		want    Verdict
	}{
		{Policy{}, nil, Fine},
		{Policy{}, []Result{{State: Pass}, {State: Skipped}}, Fine},
		{Policy{Strict: true, FailOn: FailOnWarning}, []Result{{State: Pass}, {State: Skipped}}, Fine},
		{Policy{}, []Result{{State: Warning}}, Fine},
		{Policy{FailOn: FailOnWarning}, []Result{{State: Warning}}, Failed},
		{Policy{FailOn: FailOnError}, []Result{{State: Error}}, Failed},
		{Policy{FailOn: FailOnWarning}, []Result{{State: Error}}, Failed},
		{Policy{FailOn: FailOnNever}, []Result{{State: Error}, {State: Warning}}, Fine},
		{Policy{}, []Result{{State: Inconclusive}}, Fine},
		{Policy{Strict: true}, []Result{{State: Inconclusive}}, Unknown},
		{Policy{Strict: true, FailOn: FailOnNever}, []Result{{State: Inconclusive}, {State: Error}}, Unknown},
		{Policy{Strict: true}, []Result{{State: Inconclusive}, {State: Error}}, Failed},
	} {
		if got := test.policy.Judge(Summarize(Group{Results: test.results})); got != test.want {
			t.Errorf("%+v of %+v: %d, want %d", test.policy, test.results, got, test.want)
		}
	}
}

// TestSummaryIsNeverBetterThanItsResults: the state of a summary is that of its gravest result.
func TestSummaryIsNeverBetterThanItsResults(t *testing.T) {
	for i, gravest := range States() {
		var results []Result
		for _, state := range States()[i:] {
			results = append(results, Result{State: state})
		}
		if got := Summarize(Group{Results: results}).State; got != gravest {
			t.Errorf("%v: %s", results, got)
		}
	}
	if got := Summarize().State; got != Skipped {
		t.Errorf("nothing was looked at, and the state is %s", got)
	}
}

// TestEverySeverityHasAState: what blocks for want of knowledge is inconclusive, unknown severities too.
func TestEverySeverityHasAState(t *testing.T) {
	for severity, want := range map[finding.Severity]State{
		finding.Error: Error, finding.Waiting: Warning, finding.Warning: Warning, finding.Note: Pass,
		finding.Inconclusive: Inconclusive, "": Inconclusive,
	} {
		if got := StateOf(severity); got != want {
			t.Errorf("%q: %s, want %s", severity, got, want)
		}
	}
}
