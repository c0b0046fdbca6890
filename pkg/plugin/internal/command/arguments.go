package command

import (
	"slices"

	"github.com/spf13/cobra"
)

// NewGroup makes a command of a command that only has sub-commands: it shows its help, and refuses what it doesn't know.
func NewGroup(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		suggestions := cmd.SuggestionsFor(args[0])
		if len(suggestions) == 0 {
			return Usagef(cmd, "unknown command %q for %q", args[0], cmd.CommandPath())
		}
		slices.Sort(suggestions)
		return Usagef(cmd, "unknown command %q for %q; did you mean %q?", args[0], cmd.CommandPath(), suggestions[0])
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.DisableFlagsInUseLine = true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// MaxArgs accepts up to n arguments; what names them for a person.
func MaxArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return Usagef(cmd, "unexpected argument %q: expected %s", args[n], what)
		}
		return nil
	}
}

// ExactArg requires one argument; what names it for a person.
func ExactArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return Usagef(cmd, "missing argument: %s", what)
		}
		return MaxArgs(1, what)(cmd, args)
	}
}
