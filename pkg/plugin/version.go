package plugin

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// versionFlags are the flags as they were given.
type versionFlags struct {
	client bool
	output string
}

func newVersionCommand(env Environment) *cobra.Command {
	flags := &versionFlags{}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of the plugin and the API server",
		Example: `  # Versions of the plugin, its modules and the API server
  kubectl fluid version

  # Only the plugin's, without a cluster
  kubectl fluid version --client`,
		Args: command.MaxArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := output.NewPrinter(cmd, env, flags.output, output.ReadFormats()...)
			if err != nil {
				return err
			}
			return runVersion(cmd.Context(), env, out, flags.client)
		},
	}
	cmd.Flags().BoolVar(&flags.client, "client", false, "Don't ask the API server for its version.")
	output.AddFlag(cmd, &flags.output, output.ReadFormats()...)
	return cmd
}

// runVersion prints the versions; clientOnly doesn't ask the API server.
func runVersion(ctx context.Context, env Environment, out *output.Printer, clientOnly bool) error {
	versions := command.VersionReport{TypeMeta: report.NewTypeMeta("Version"), Client: command.NewClientVersion(env.Build)}
	var serverErr error
	if !clientOnly {
		versions.Server, serverErr = env.Connection.ServerVersion(ctx)
	}
	// The plugin's own version is worth showing even if the server can't be reached.
	if err := out.Print(viewVersions(versions)); err != nil {
		return err
	}
	return serverErr
}

func viewVersions(r command.VersionReport) output.View {
	return output.View{Document: r, Names: []string{"kubectl-fluid/" + r.Client.Version},
		Text: func(out terminal.Screen, _ bool) error { return printVersions(out, r) }}
}

func printVersions(out terminal.Screen, r command.VersionReport) error {
	c := r.Client
	text := fmt.Sprintf("Client Version: %s (commit %s, built %s)\nGo Version: %s\nPlatform: %s\n", c.Version, c.Commit, c.Date, c.Go, c.Platform)
	for _, module := range command.Modules() {
		if version := c.Modules[module]; version != "" {
			text += fmt.Sprintf("Module %s: %s\n", module, version)
		}
	}
	if r.Server != nil {
		text += fmt.Sprintf("Server Version: %s\n", terminal.Line(r.Server.GitVersion))
	}
	out.Print(text)
	return nil
}
