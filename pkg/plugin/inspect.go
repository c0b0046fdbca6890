package plugin

import "github.com/spf13/cobra"

func newInspectCommand(env Environment) *cobra.Command {
	cmd := newGroup(&cobra.Command{
		Use:   "inspect",
		Short: "Look into what injection has made, or would make",
	})
	cmd.AddCommand(newInspectSidecarCommand(env), newInspectDatasetCommand(env))
	return cmd
}
