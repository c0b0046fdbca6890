package plugin

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Environment is everything that the commands get from outside their command line.
type Environment struct {
	genericiooptions.IOStreams
	// Now is the clock.
	Now func() time.Time
	// Build says which build this is.
	Build Build
	// Connect makes the connection that the connection flags and kubeconfig ask for; nil means a real one.
	Connect func(Kubeconfig) Connection
	// Kustomize builds the kustomization in a directory; nil means with the kubectl in the PATH.
	Kustomize func(ctx context.Context, directory string) ([]byte, error)
	// Getenv reads the environment; nil means that it's empty.
	Getenv func(string) string
	// Terminal says what Out is, if it's a terminal.
	Terminal Terminal
	// Interactive says that In is a terminal: somebody is there to answer a question.
	Interactive bool

	// connection is set once the flags exist; commands use it.
	connection Connection
}

// Main runs kubectl fluid with arguments and returns the exit code. Ending ctx interrupts it.
func Main(ctx context.Context, env Environment, args []string) int {
	root := NewCommand(env)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		if text := message(ctx, err); text != "" {
			fmt.Fprintf(env.ErrOut, "error: %s\n", multiline(text))
		}
	}
	return exitCode(ctx, err)
}

// NewCommand returns the command kubectl fluid.
func NewCommand(env Environment) *cobra.Command {
	if env.Connect == nil {
		env.Connect = func(kubeconfig Kubeconfig) Connection {
			return newConnection(kubeconfig, env.Build.Version, env.ErrOut)
		}
	}
	if env.Kustomize == nil {
		env.Kustomize = kubectlKustomize
	}
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	root := newGroup(&cobra.Command{
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
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	kubeconfig := newKubeconfigFlags(root.PersistentFlags())
	kubeconfig.addCompletion(root)
	env.connection = env.Connect(kubeconfig)
	root.PersistentFlags().String(languageFlag, "", "Language of findings and remedies: en or zh. Default: that of LC_ALL, LC_MESSAGES or LANG.")
	_ = root.RegisterFlagCompletionFunc(languageFlag, cobra.FixedCompletions([]cobra.Completion{"en", "zh"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(newRefCommand(env), newInspectCommand(env), newExplainCommand(env), newVersionCommand(env), newCompletionCommand(env),
		newDoctorCommand(env), newRBACCommand(env), newInjectCommand(env), newOptionsCommand(env))
	addCompletion(root, env)
	return root
}

// newGroup makes a command of a command that only has sub-commands: it shows its help, and refuses what it doesn't know.
func newGroup(cmd *cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		suggestions := cmd.SuggestionsFor(args[0])
		if len(suggestions) == 0 {
			return usagef(cmd, "unknown command %q for %q", args[0], cmd.CommandPath())
		}
		slices.Sort(suggestions)
		return usagef(cmd, "unknown command %q for %q; did you mean %q?", args[0], cmd.CommandPath(), suggestions[0])
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.DisableFlagsInUseLine = true
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// maxArgs accepts up to n arguments; what names them for a person.
func maxArgs(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return usagef(cmd, "unexpected argument %q: expected %s", args[n], what)
		}
		return nil
	}
}

// exactArg requires one argument; what names it for a person.
func exactArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "missing argument: %s", what)
		}
		return maxArgs(1, what)(cmd, args)
	}
}
