package plugin

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/doctor"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/injection"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/inspect"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/ref"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/rights"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
)

// Main runs kubectl fluid with arguments and returns the exit code. Ending ctx interrupts it. A command whose output
// couldn't be written has failed.
func Main(ctx context.Context, env Environment, args []string) int {
	out := &command.Output{Writer: env.Out}
	env.Out = out
	root := New(env)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if unwritten := out.Err(); unwritten != nil && (err == nil || errors.Is(err, unwritten) || command.Message(ctx, err) == "") {
		err = fmt.Errorf("writing the output: %w", unwritten)
	}
	if err != nil {
		if text := command.Message(ctx, err); text != "" {
			env.Sayf("error: %s\n", terminal.Multiline(text))
		}
	}
	return command.ExitCode(ctx, err)
}

// New returns the command kubectl fluid.
func New(env Environment) *cobra.Command {
	if env.Connect == nil {
		env.Connect = func(kubeconfig Kubeconfig) Connection {
			return cluster.NewConnection(kubeconfig, env.Build.Version, env.ErrOut)
		}
	}
	if env.Kustomize == nil {
		env.Kustomize = cluster.KubectlKustomize
	}
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	root := command.NewGroup(&cobra.Command{
		Use:         "kubectl-fluid",
		Short:       "Use Fluid Datasets of other namespaces safely",
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl fluid"},
		Long: `Create references to Fluid Datasets of other namespaces, see before anything is
written what would go wrong, and see what a FUSE sidecar is or would be.

Exit codes, whatever the output format: 0 fine, 1 it could not be done, 2 wrong
command line, 3 findings at or above --fail-on, 4 a wait timed out, 5 something
couldn't be looked at and --strict was given, 130 interrupted.`,
	})
	// Errors are printed in one place, Main, and usage only on demand, as kubectl does it.
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.ErrOut)
	root.SetUsageFunc(printUsage)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return command.Usagef(cmd, "%w", err) })
	kubeconfig := cluster.NewKubeconfigFlags(root.PersistentFlags())
	kubeconfig.AddCompletion(root)
	env.Connection = env.Connect(kubeconfig)
	root.PersistentFlags().String(command.LanguageFlag, "", "Language of findings and remedies: en or zh. Default: that of LC_ALL, LC_MESSAGES or LANG.")
	_ = root.RegisterFlagCompletionFunc(command.LanguageFlag, cobra.FixedCompletions([]cobra.Completion{"en", "zh"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(ref.NewCommand(env), inspect.NewCommand(env), newExplainCommand(env), newVersionCommand(env), newCompletionCommand(env),
		doctor.NewCommand(env), rights.NewCommand(env), injection.NewCommand(env), newOptionsCommand(env))
	addCompletion(root, env)
	return root
}
