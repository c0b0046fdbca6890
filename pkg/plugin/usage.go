package plugin

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
)

// helpWidth is how many columns the flags in help texts take; other lines are as they are written.
const helpWidth = 80

// printUsage writes what --help says after the description. As with kubectl, the flags that all commands have are shown by
// a command of their own. cobra's templates would do it too, but bring every method of every type into the program.
func printUsage(cmd *cobra.Command) error {
	var text strings.Builder
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&text, "Usage:\n  %s [command]\n", cmd.CommandPath())
	} else {
		fmt.Fprintf(&text, "Usage:\n  %s\n", cmd.UseLine())
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&text, "\nAliases:\n  %s\n", cmd.NameAndAliases())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&text, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		text.WriteString("\nAvailable Commands:\n")
		for _, child := range cmd.Commands() {
			if child.IsAvailableCommand() || child.Name() == "help" {
				fmt.Fprintf(&text, "  %-*s %s\n", child.NamePadding(), child.Name(), child.Short)
			}
		}
	}
	if flags := cmd.LocalNonPersistentFlags(); flags.HasAvailableFlags() {
		fmt.Fprintf(&text, "\nFlags:\n%s", usagesOf(flags))
	}
	root := cmd.Root().CommandPath()
	fmt.Fprintf(&text, "\nUse \"%s options\" for the flags that all commands have, such as -n.\n", root)
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&text, "Use \"%s [command] --help\" for more information about a command.\n", cmd.CommandPath())
	}
	_, err := io.WriteString(cmd.OutOrStderr(), text.String())
	return err
}

// usagesOf describes flags within helpWidth. pflag leaves blanks at the ends of lines.
func usagesOf(flags *pflag.FlagSet) string {
	var text strings.Builder
	for line := range strings.Lines(flags.FlagUsagesWrapped(helpWidth)) {
		text.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return text.String()
}

func newOptionsCommand(env Environment) *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "Show the flags that all commands have",
		Example: `  # Which flags say how to reach the cluster?
  kubectl fluid options`,
		Args:                  command.MaxArgs(0, "no argument"),
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := io.WriteString(env.Out, "These flags can be given to every command:\n\n"+usagesOf(cmd.InheritedFlags()))
			return err
		},
	}
}
