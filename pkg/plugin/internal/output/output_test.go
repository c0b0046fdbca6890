package output

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// TestNoFormatOfChecksHasEscapes: whatever the cluster says, no format for people or for CI systems lets it reach a terminal
// as an escape sequence.
func TestNoFormatOfChecksHasEscapes(t *testing.T) {
	const evil = "\x1b[31mred\x1b]0;title\x07\u009b1m\rover"
	result := report.NewPass("Pod ref/"+evil, evil)
	result.State, result.Code, result.Remedy = report.Error, finding.CodeChain, evil
	v := View{Document: map[string]any{"apiVersion": report.APIVersion, "kind": "Evil", "evil": evil, "items": []any{}}, Names: []string{evil},
		Items: []any{map[string]any{"evil": evil}}, Checks: []report.Group{{Name: evil, Results: []report.Result{result}}},
		Text: func(out terminal.Screen, wide bool) error { return PrintResults(out, []report.Result{result}, wide) }}
	for _, format := range append(CheckFormats(), formatText) {
		template := map[string]string{FormatJSONPath: "{.evil}", FormatGoTemplate: "{{.evil}}", FormatCustomColumns: "A:.evil"}[format]
		var out bytes.Buffer
		env := command.Environment{IOStreams: genericiooptions.IOStreams{Out: &out}, Getenv: func(string) string { return "" }, Terminal: terminal.Terminal{TTY: true, Width: 80}}
		o, err := NewPrinter(&cobra.Command{}, env, format+template, CheckFormats()...)
		if err == nil {
			err = o.Print(v)
		}
		if err != nil || out.Len() == 0 || strings.ContainsAny(out.String(), "\x1b\x07\u009b\r") {
			t.Errorf("-o %s: %v: %q", format, err, out.String())
		}
	}
}
