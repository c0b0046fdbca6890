package output

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// AnnotationIgnore on a Dataset or a pod lists the codes of findings that its owner knows of and accepts, separated by
// commas. Checks report them as skipped; the controller and admission don't look at it.
const AnnotationIgnore = "kubectl-fluid.dev/ignore-findings"

// SelectionFlags choose findings by their codes.
type SelectionFlags struct {
	only, skip []string
}

// Add gives a command the flags.
func (f *SelectionFlags) Add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "Codes of the findings to look for; everything else is skipped, but for what can't be looked at.")
	cmd.Flags().StringSliceVar(&f.skip, "skip", nil, "Codes of findings to skip.")
}

// Selection says which findings count.
type Selection struct {
	only, skip []finding.Code
}

// Selection returns what the flags say; a code that isn't known is an error of usage.
func (f *SelectionFlags) Selection(cmd *cobra.Command) (Selection, error) {
	var s Selection
	for _, flag := range []struct {
		name  string
		texts []string
		codes *[]finding.Code
	}{{"only", f.only, &s.only}, {"skip", f.skip, &s.skip}} {
		for _, text := range flag.texts {
			code := finding.Code(strings.ToUpper(strings.TrimSpace(text)))
			if _, known := finding.Explain(code); !known {
				return s, command.Usagef(cmd, "--%s: %q is not the code of a finding: kubectl fluid explain lists them", flag.name, text)
			}
			*flag.codes = append(*flag.codes, code)
		}
	}
	return s, nil
}

// ignored returns the codes in the annotation of an object.
func ignored(annotations map[string]string) []finding.Code {
	var codes []finding.Code
	for text := range strings.SplitSeq(annotations[AnnotationIgnore], ",") {
		if text = strings.TrimSpace(text); text != "" {
			codes = append(codes, finding.Code(strings.ToUpper(text)))
		}
	}
	return codes
}

// Apply marks the results that don't count as skipped, each with the reason. What couldn't be looked at counts unless
// its own code is left out: nobody knows what it hides. object is what the results are about.
func (s Selection) Apply(results []report.Result, annotations map[string]string, object string) []report.Result {
	ignore := ignored(annotations)
	selected := make([]report.Result, 0, len(results))
	for _, result := range results {
		switch {
		case result.Code != "" && slices.Contains(s.skip, result.Code):
			result = skipped(result, "left out by --skip")
		case result.Code != "" && slices.Contains(ignore, result.Code):
			result = skipped(result, "left out by the annotation "+AnnotationIgnore)
		case len(s.only) > 0 && !slices.Contains(s.only, result.Code) && result.State != report.Inconclusive:
			result = skipped(result, "left out by --only")
		}
		selected = append(selected, result)
	}
	return append(s.nothingFound(selected, object), selected...)
}

// nothingFound returns a pass for each code that was looked for and not found, unless something couldn't be looked at.
func (s Selection) nothingFound(results []report.Result, object string) []report.Result {
	if slices.ContainsFunc(results, func(r report.Result) bool { return r.State == report.Inconclusive }) {
		return nil
	}
	var passes []report.Result
	for _, code := range s.only {
		entry, _ := finding.Explain(code)
		if !slices.ContainsFunc(results, func(r report.Result) bool { return r.Code == code }) {
			passes = append(passes, report.Result{State: report.Pass, Code: code, Severity: entry.Severity, Reason: entry.Reason,
				Object: object, Message: "nothing of this kind was found"})
		}
	}
	return passes
}

func skipped(result report.Result, why string) report.Result {
	result.Message = fmt.Sprintf("%s: %s (%s)", why, result.Message, result.State)
	result.State = report.Skipped
	return result
}
