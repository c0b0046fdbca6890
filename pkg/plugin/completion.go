package plugin

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
)

// completionName is the program that kubectl runs to complete arguments of its plugin fluid: "kubectl fluid a b<TAB>"
// becomes "kubectl_complete-fluid a b" (kubectl 1.26 and newer).
const completionName = "kubectl_complete-fluid"

// Arguments returns the plugin's arguments of a command line with the program's name first. Under the name by which
// kubectl asks for completions they are those of the command that answers.
func Arguments(commandLine []string) []string {
	name, arguments := filepath.Base(commandLine[0]), commandLine[1:]
	if strings.TrimSuffix(name, ".exe") == completionName {
		return append([]string{cobra.ShellCompRequestCmd}, arguments...)
	}
	return arguments
}

func newCompletionCommand(env Environment) *cobra.Command {
	cmd := command.NewGroup(&cobra.Command{
		Use:   "completion",
		Short: "Let the shell complete commands and what they take",
		Long: `Let the shell complete the plugin's commands and what they take: Datasets,
references, namespaces, pods, codes of findings and output formats.

kubectl completes its plugins itself once it finds kubectl_complete-fluid; the
command install puts it there. The scripts are for calling kubectl-fluid directly.`,
	})
	for _, shell := range shells() {
		cmd.AddCommand(newScriptCommand(env, shell))
	}
	cmd.AddCommand(newCompletionInstallCommand(env))
	return cmd
}

// shell is a shell that a script can be written for.
type shell struct {
	name, title, load string
	write             func(root *cobra.Command, env Environment) error
}

func shells() []shell {
	return []shell{
		{"bash", "bash", "source <(kubectl-fluid completion bash)",
			func(root *cobra.Command, env Environment) error { return root.GenBashCompletionV2(env.Out, true) }},
		{"zsh", "zsh", "source <(kubectl-fluid completion zsh)",
			func(root *cobra.Command, env Environment) error { return root.GenZshCompletion(env.Out) }},
		{"fish", "fish", "kubectl-fluid completion fish | source",
			func(root *cobra.Command, env Environment) error { return root.GenFishCompletion(env.Out, true) }},
		{"powershell", "PowerShell", "kubectl-fluid completion powershell | Out-String | Invoke-Expression",
			func(root *cobra.Command, env Environment) error {
				return root.GenPowerShellCompletionWithDesc(env.Out)
			}},
	}
}

func newScriptCommand(env Environment, s shell) *cobra.Command {
	return &cobra.Command{
		Use:   s.name,
		Short: "Write a script for " + s.title,
		Long: fmt.Sprintf(`Write a script with which %s completes kubectl-fluid. Load it with

  %s

For "kubectl fluid" use the completion of kubectl, and kubectl fluid completion install.`, s.title, s.load),
		Example: fmt.Sprintf(`  # Write the script for %s
  kubectl fluid completion %s`, s.title, s.name),
		Args:                  command.MaxArgs(0, "no argument"),
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := s.write(cmd.Root(), env); err != nil {
				return fmt.Errorf("writing the script for %s: %w", s.title, err)
			}
			return nil
		},
	}
}
