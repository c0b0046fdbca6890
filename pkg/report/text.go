package report

import (
	"fmt"
	"html"
	"io"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// WriteShort writes one line for each result that is neither a pass nor skipped, as compilers do. safe makes a text of the
// cluster harmless for a terminal.
func WriteShort(out io.Writer, groups []Group, language finding.Language, safe func(string) string) error {
	for _, group := range groups {
		for _, result := range group.Results {
			if result.State == Pass || result.State == Skipped {
				continue
			}
			code := ""
			if result.Code != "" {
				code = " " + string(result.Code)
			}
			if _, err := fmt.Fprintf(out, "%s: %s%s: %s: %s\n", safe(group.Name), result.State, code, safe(result.Object), safe(result.Text(language))); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteMarkdown writes a table for each group, as a comment on a pull request has it. safe makes a text of the cluster
// harmless for a terminal.
func WriteMarkdown(out io.Writer, groups []Group, language finding.Language, safe func(string) string) error {
	var text strings.Builder
	cell := func(part string) string { return escape(safe(strings.Join(strings.Fields(part), " "))) }
	for i, group := range groups {
		if i > 0 {
			text.WriteString("\n")
		}
		fmt.Fprintf(&text, "### %s\n\n| State | Code | Object | Message | What to do |\n|---|---|---|---|---|\n", cell(group.Name))
		for _, result := range group.Results {
			fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", result.State, result.Code, cell(result.Object), cell(result.Text(language)), cell(result.Remedy))
		}
	}
	summary := Summarize(groups...)
	fmt.Fprintf(&text, "\n**%s**: errors %d, inconclusive %d, warnings %d, passed %d, skipped %d\n",
		summary.State, summary.Errors, summary.Inconclusive, summary.Warnings, summary.Passed, summary.Skipped)
	_, err := io.WriteString(out, text.String())
	return err
}

// escape takes the meaning of markup from a text.
func escape(text string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "~", "\\~", "@", "&#64;").
		Replace(html.EscapeString(text))
}
