package output

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// PolicyFlags say what the results of a check mean for the exit code.
type PolicyFlags struct {
	failOn string
	strict bool
}

// Add gives a command the flags.
func (f *PolicyFlags) Add(cmd *cobra.Command) {
	choices := []cobra.Completion{string(report.FailOnError), string(report.FailOnWarning), string(report.FailOnNever)}
	cmd.Flags().StringVar(&f.failOn, "fail-on", string(report.FailOnError),
		"From which state on results lead to exit code 3. One of: "+strings.Join(choices, ", ")+".")
	cmd.Flags().BoolVar(&f.strict, "strict", false, "Exit with code 5 if something couldn't be looked at.")
	_ = cmd.RegisterFlagCompletionFunc("fail-on", cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
}

// Policy returns what the flags say, or an error of usage.
func (f *PolicyFlags) Policy(cmd *cobra.Command) (report.Policy, error) {
	failOn, err := report.ParseFailOn(f.failOn)
	if err != nil {
		return report.Policy{}, command.Usagef(cmd, "--fail-on: %w", err)
	}
	return report.Policy{FailOn: failOn, Strict: f.strict}, nil
}

// ExitWith returns the error that leads to the exit code of a summary; the output has said everything.
func ExitWith(policy report.Policy, summary report.Summary) error {
	switch policy.Judge(summary) {
	case report.Failed:
		return &command.ExitError{Code: command.ExitFindings}
	case report.Unknown:
		return &command.ExitError{Code: command.ExitInconclusive}
	}
	return nil
}

// ResultsOf returns findings as results.
func ResultsOf(findings finding.List, language finding.Language) []report.Result {
	results := make([]report.Result, 0, len(findings))
	for _, f := range findings {
		results = append(results, report.NewResult(f, language))
	}
	return results
}

// PrintResults prints results as a table, each remedy below its finding. Checks that found nothing are only counted,
// unless all results shall be shown.
func PrintResults(out terminal.Screen, results []report.Result, all bool) error {
	shown := slices.DeleteFunc(slices.Clone(results), func(r report.Result) bool {
		return !all && (r.State == report.Skipped || r.State == report.Pass && r.Code == "")
	})
	if len(shown) > 0 {
		t := terminal.NewTable("RESULT", "CODE", "OBJECT", "MESSAGE")
		for _, r := range shown {
			t.Add(string(r.State), string(r.Code), r.Object, r.Text(out.Language))
			if advice := r.Advice(out.Language); advice != "" {
				t.Add("", "", "", advice)
			}
		}
		if err := t.Print(out); err != nil {
			return err
		}
		out.Say("\n")
	}
	out.Print(SummaryText(report.Summarize(report.Group{Results: results})) + "\n")
	return nil
}

// SummaryText counts results for a person: "error: 2 errors, 1 warning, 5 passed".
func SummaryText(s report.Summary) string {
	var parts []string
	for _, part := range []struct {
		count        int
		one, several string
	}{
		{s.Errors, "error", "errors"}, {s.Inconclusive, "inconclusive", "inconclusive"}, {s.Warnings, "warning", "warnings"},
		{s.Passed, "passed", "passed"}, {s.Skipped, "skipped", "skipped"},
	} {
		switch {
		case part.count == 1:
			parts = append(parts, "1 "+part.one)
		case part.count > 1:
			parts = append(parts, fmt.Sprintf("%d %s", part.count, part.several))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing was checked"}
	}
	return string(s.State) + ": " + strings.Join(parts, ", ")
}
