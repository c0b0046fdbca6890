package plugin

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

func newExplainCommand(env Environment) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Explain a finding's code, or list all codes",
		Example: `  # What does KF3004 mean, and what can I do about it?
  kubectl fluid explain KF3004

  # All codes
  kubectl fluid explain`,
		Args: maxArgs(1, "the code of a finding"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := newOutput(cmd, env, format, readFormats()...)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return out.print(codesView(out.language))
			}
			entry, ok := finding.ExplainIn(out.language, finding.Code(strings.ToUpper(args[0])))
			if !ok {
				return usagef(cmd, "%q is not the code of a finding: list them with '%s'", args[0], cmd.CommandPath())
			}
			return out.print(codeView(entry))
		},
	}
	addOutputFlag(cmd, &format, readFormats()...)
	return cmd
}

// findingList is the document of all codes, findingKind that of one.
type (
	findingList struct {
		report.TypeMeta
		Items []finding.Entry `json:"items"`
	}
	findingKind struct {
		report.TypeMeta
		finding.Entry
	}
)

func newFindingKind(entry finding.Entry) findingKind {
	return findingKind{report.NewTypeMeta("FindingKind"), entry}
}

func codesView(language finding.Language) view {
	list := findingList{report.NewTypeMeta("FindingKindList"), finding.CatalogueIn(language)}
	v := view{document: list, text: func(out screen, wide bool) error {
		columns := []string{"CODE", "SEVERITY", "REASON", "TITLE"}
		if wide {
			columns = append(columns, "WHAT TO DO")
		}
		t := newTable(columns...)
		for _, entry := range list.Items {
			row := []string{string(entry.Code), string(entry.Severity), entry.Reason, entry.Title}
			if wide {
				row = append(row, orNone(entry.Remedy))
			}
			t.add(row...)
		}
		return t.print(out)
	}}
	for _, entry := range list.Items {
		v.items = append(v.items, entry)
		v.names = append(v.names, string(entry.Code))
	}
	return v
}

func codeView(entry finding.Entry) view {
	return view{document: newFindingKind(entry), names: []string{string(entry.Code)}, text: func(out screen, _ bool) error {
		stop, label := ".", "What to do: "
		if out.language == finding.Chinese {
			stop, label = "。", "处理方法："
		}
		text := fmt.Sprintf("%s (%s, %s)\n%s%s\n\n%s\n", entry.Code, entry.Severity, entry.Reason, entry.Title, stop, entry.Meaning)
		if entry.Remedy != "" {
			text += "\n" + label + entry.Remedy + stop + "\n"
		}
		return out.say("%s", text)
	}}
}
