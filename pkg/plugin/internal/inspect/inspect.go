package inspect

import (
	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
)

// NewCommand returns the command inspect.
func NewCommand(env command.Environment) *cobra.Command {
	cmd := command.NewGroup(&cobra.Command{
		Use:   "inspect",
		Short: "Look into what injection has made, or would make",
	})
	cmd.AddCommand(newInspectSidecarCommand(env), newInspectDatasetCommand(env))
	return cmd
}
