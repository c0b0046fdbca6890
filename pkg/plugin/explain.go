package plugin

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func newExplainCommand(env Environment) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Explain a finding's code, or list all codes",
		Example: `  # What does KF3004 mean, and what can I do about it?
  kubectl fluid explain KF3004

  # All codes
  kubectl fluid explain`,
		Args: maxArgs(1, "the code of a finding"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := validateOutput(cmd, output, formatJSON, formatYAML); err != nil {
				return err
			}
			if len(args) == 0 {
				return listCodes(env, output)
			}
			entry, ok := reference.Explain(reference.Code(strings.ToUpper(args[0])))
			if !ok {
				return usagef(cmd, "%q is not the code of a finding: list them with '%s'", args[0], cmd.CommandPath())
			}
			return explainCode(env, output, entry)
		},
	}
	addOutputFlag(cmd, &output, formatJSON, formatYAML)
	return cmd
}

func listCodes(env Environment, output string) error {
	if output != formatText {
		return printDocument(env.Out, output, reference.Catalogue())
	}
	t := newTable("CODE", "SEVERITY", "REASON", "TITLE")
	for _, entry := range reference.Catalogue() {
		t.add(string(entry.Code), string(entry.Severity), entry.Reason, entry.Title)
	}
	return t.print(env.Out)
}

func explainCode(env Environment, output string, entry reference.Entry) error {
	if output != formatText {
		return printDocument(env.Out, output, entry)
	}
	fmt.Fprintf(env.Out, "%s (%s, %s)\n%s.\n\n%s\n", entry.Code, entry.Severity, entry.Reason, entry.Title, entry.Meaning)
	if entry.Remedy != "" {
		fmt.Fprintf(env.Out, "\nWhat to do: %s.\n", entry.Remedy)
	}
	return nil
}
