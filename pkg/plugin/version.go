package plugin

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	apiversion "k8s.io/apimachinery/pkg/version"
)

// Build says which build of the plugin this is; the linker sets it in package main.
type Build struct {
	Version string
	Commit  string
	Date    string
}

// modules are those whose versions decide how the plugin talks to a cluster.
func modules() []string {
	return []string{"k8s.io/api", "k8s.io/apimachinery", "k8s.io/cli-runtime", "k8s.io/client-go", "sigs.k8s.io/controller-runtime"}
}

type versionOptions struct {
	client bool
	output string
}

type clientVersion struct {
	Version  string            `json:"version"`
	Commit   string            `json:"commit"`
	Date     string            `json:"date"`
	Go       string            `json:"goVersion"`
	Platform string            `json:"platform"`
	Modules  map[string]string `json:"modules"`
}

type versionReport struct {
	Client clientVersion    `json:"clientVersion"`
	Server *apiversion.Info `json:"serverVersion,omitempty"`
}

func newVersionCommand(env Environment) *cobra.Command {
	o := &versionOptions{}
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the versions of the plugin and the API server",
		Example: `  # Versions of the plugin, its modules and the API server
  kubectl fluid version

  # Only the plugin's, without a cluster
  kubectl fluid version --client`,
		Args: maxArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := validateOutput(cmd, o.output, formatJSON, formatYAML); err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cmd.Flags().BoolVar(&o.client, "client", false, "Don't ask the API server for its version.")
	addOutputFlag(cmd, &o.output, formatJSON, formatYAML)
	return cmd
}

func (o *versionOptions) run(ctx context.Context, env Environment) error {
	report := versionReport{Client: newClientVersion(env.Build)}
	var serverErr error
	if !o.client {
		report.Server, serverErr = env.connection.ServerVersion(ctx)
	}
	// The plugin's own version is worth showing even if the server can't be reached.
	if err := o.print(env, report); err != nil {
		return err
	}
	return serverErr
}

func newClientVersion(build Build) clientVersion {
	v := clientVersion{Version: build.Version, Commit: build.Commit, Date: build.Date,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: map[string]string{}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, wanted := range modules() {
		for _, module := range info.Deps {
			if module.Path == wanted {
				v.Modules[wanted] = module.Version
			}
		}
	}
	return v
}

func (o *versionOptions) print(env Environment, report versionReport) error {
	if o.output != formatText {
		return printDocument(env.Out, o.output, report)
	}
	c := report.Client
	fmt.Fprintf(env.Out, "Client Version: %s (commit %s, built %s)\n", c.Version, c.Commit, c.Date)
	fmt.Fprintf(env.Out, "Go Version: %s\nPlatform: %s\n", c.Go, c.Platform)
	for _, module := range modules() {
		if version := c.Modules[module]; version != "" {
			fmt.Fprintf(env.Out, "Module %s: %s\n", module, version)
		}
	}
	if report.Server != nil {
		fmt.Fprintf(env.Out, "Server Version: %s\n", line(report.Server.GitVersion))
	}
	return nil
}
