package plugin

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	apiversion "k8s.io/apimachinery/pkg/version"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
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

// versionFlags are the flags as they were given.
type versionFlags struct {
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

// versionReport is the document of the versions.
type versionReport struct {
	report.TypeMeta
	Client clientVersion    `json:"clientVersion"`
	Server *apiversion.Info `json:"serverVersion,omitempty"`
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
		Args: maxArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := newOutput(cmd, env, flags.output, readFormats()...)
			if err != nil {
				return err
			}
			return runVersion(cmd.Context(), env, out, flags.client)
		},
	}
	cmd.Flags().BoolVar(&flags.client, "client", false, "Don't ask the API server for its version.")
	addOutputFlag(cmd, &flags.output, readFormats()...)
	return cmd
}

// runVersion prints the versions; clientOnly doesn't ask the API server.
func runVersion(ctx context.Context, env Environment, out *output, clientOnly bool) error {
	versions := versionReport{TypeMeta: report.NewTypeMeta("Version"), Client: newClientVersion(env.Build)}
	var serverErr error
	if !clientOnly {
		versions.Server, serverErr = env.connection.ServerVersion(ctx)
	}
	// The plugin's own version is worth showing even if the server can't be reached.
	if err := out.print(viewVersions(versions)); err != nil {
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

func viewVersions(r versionReport) view {
	return view{document: r, names: []string{"kubectl-fluid/" + r.Client.Version},
		text: func(out screen, _ bool) error { return printVersions(out, r) }}
}

func printVersions(out screen, r versionReport) error {
	c := r.Client
	text := fmt.Sprintf("Client Version: %s (commit %s, built %s)\nGo Version: %s\nPlatform: %s\n", c.Version, c.Commit, c.Date, c.Go, c.Platform)
	for _, module := range modules() {
		if version := c.Modules[module]; version != "" {
			text += fmt.Sprintf("Module %s: %s\n", module, version)
		}
	}
	if r.Server != nil {
		text += fmt.Sprintf("Server Version: %s\n", line(r.Server.GitVersion))
	}
	_, err := fmt.Fprint(out, text)
	return err
}
