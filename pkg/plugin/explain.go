package plugin

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
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
		Args: command.MaxArgs(1, "the code of a finding"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := output.NewPrinter(cmd, env, format, output.ReadFormats()...)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return out.Print(codesView(out.Language))
			}
			entry, ok := finding.ExplainIn(out.Language, finding.Code(strings.ToUpper(args[0])))
			if !ok {
				return command.Usagef(cmd, "%q is not the code of a finding: list them with '%s'", args[0], cmd.CommandPath())
			}
			return out.Print(codeView(entry))
		},
	}
	output.AddFlag(cmd, &format, output.ReadFormats()...)
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

func codesView(language finding.Language) output.View {
	list := findingList{report.NewTypeMeta("FindingKindList"), finding.CatalogueIn(language)}
	v := output.View{Document: list, Text: func(out terminal.Screen, wide bool) error {
		columns := []string{"CODE", "SEVERITY", "REASON", "TITLE"}
		if wide {
			columns = append(columns, "WHAT TO DO")
		}
		t := terminal.NewTable(columns...)
		for _, entry := range list.Items {
			row := []string{string(entry.Code), string(entry.Severity), entry.Reason, entry.Title}
			if wide {
				row = append(row, terminal.OrNone(entry.Remedy))
			}
			t.Add(row...)
		}
		return t.Print(out)
	}}
	for _, entry := range list.Items {
		v.Items = append(v.Items, entry)
		v.Names = append(v.Names, string(entry.Code))
	}
	return v
}

func codeView(entry finding.Entry) output.View {
	return output.View{Document: newFindingKind(entry), Names: []string{string(entry.Code)}, Text: func(out terminal.Screen, _ bool) error {
		stop, label := ".", "What to do: "
		if out.Language == finding.Chinese {
			stop, label = "。", "处理方法："
		}
		text := fmt.Sprintf("%s (%s, %s)\n%s%s\n\n%s\n", entry.Code, entry.Severity, entry.Reason, entry.Title, stop, entry.Meaning)
		if entry.Remedy != "" {
			text += "\n" + label + entry.Remedy + stop + "\n"
		}
		out.Say("%s", text)
		return nil
	}}
}
