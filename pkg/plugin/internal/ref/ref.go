package ref

import (
	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
)

// NewCommand returns the command ref.
func NewCommand(env command.Environment) *cobra.Command {
	cmd := command.NewGroup(&cobra.Command{
		Use:   "ref",
		Short: "References: Datasets that stand for a Dataset of another namespace",
		Long: `A reference is a Dataset with the one mount dataset://namespace/name[/sub/path].
Pods of its namespace use the cache of that (physical) Dataset through it.`,
	})
	cmd.AddCommand(newRefCheckCommand(env), newRefCreateCommand(env), newRefListCommand(env),
		newRefDescribeCommand(env), newRefTreeCommand(env), newRefDiffCommand(env), newRefDeleteCommand(env),
		newRefShareCommand(env), newRefUnshareCommand(env), newRefCanICommand(env))
	return cmd
}
