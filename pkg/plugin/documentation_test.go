package plugin

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

const commandPages = "../../docs/commands"

// commandPage is the reference page of a command.
func commandPage(cmd *cobra.Command) string {
	var page strings.Builder
	fmt.Fprintf(&page, "# %s\n\n%s.\n\n", cmd.CommandPath(), cmd.Short)
	if cmd.Runnable() && !cmd.HasSubCommands() {
		fmt.Fprintf(&page, "```\n%s\n```\n\n", cmd.UseLine())
	}
	if cmd.Long != "" {
		fmt.Fprintf(&page, "```text\n%s\n```\n\n", cmd.Long)
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&page, "Also: %s.\n\n", strings.Join(cmd.Aliases, ", "))
	}
	if cmd.Example != "" {
		var lines []string
		for line := range strings.Lines(cmd.Example) {
			lines = append(lines, strings.TrimPrefix(strings.TrimRight(line, "\n"), "  "))
		}
		fmt.Fprintf(&page, "## Examples\n\n```\n%s\n```\n\n", strings.Join(lines, "\n"))
	}
	if flags := flagTable(cmd.LocalNonPersistentFlags()); flags != "" {
		page.WriteString("## Flags\n\n" + flags + "\n")
	}
	if cmd.HasSubCommands() {
		page.WriteString("## Commands\n\n" + commandTable(cmd) + "\n")
	}
	page.WriteString("All commands, and the flags that all have: [README.md](README.md).\n")
	return page.String()
}

func commandTable(parent *cobra.Command) string {
	table := "| | |\n|---|---|\n"
	for _, cmd := range parent.Commands() {
		if cmd.IsAvailableCommand() {
			table += fmt.Sprintf("| [%s](%s) | %s |\n", cmd.CommandPath(), pageName(cmd), cmd.Short)
		}
	}
	return table
}

func flagTable(flags *pflag.FlagSet) string {
	table := ""
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden || flag.Name == "help" {
			return
		}
		name := "--" + flag.Name
		if flag.Shorthand != "" {
			name = "-" + flag.Shorthand + ", " + name
		}
		standard := ""
		if flag.DefValue != "" && flag.DefValue != "[]" && flag.DefValue != "false" && flag.DefValue != "0s" {
			standard = "`" + flag.DefValue + "`"
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", name, standard, strings.ReplaceAll(flag.Usage, "|", "\\|"))
	})
	if table == "" {
		return ""
	}
	return "| Flag | Default | |\n|---|---|---|\n" + table
}

func pageName(cmd *cobra.Command) string {
	return strings.ReplaceAll(strings.TrimPrefix(cmd.CommandPath(), "kubectl fluid "), " ", "-") + ".md"
}

// commandPagesOf returns the pages of all commands by file name.
func commandPagesOf(root *cobra.Command) map[string]string {
	pages := map[string]string{}
	index := fmt.Sprintf("# Commands\n\nWhat `--help` says, for reading and linking.\n\n```text\n%s\n```\n\n", root.Long)
	list := "| | |\n|---|---|\n"
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, child := range cmd.Commands() {
			if !child.IsAvailableCommand() || child.Name() == "help" {
				continue
			}
			pages[pageName(child)] = commandPage(child)
			list += fmt.Sprintf("| [%s](%s) | %s |\n", child.CommandPath(), pageName(child), child.Short)
			visit(child)
		}
	}
	visit(root)
	schemas := "\n## Documents\n\nWhat `-o json` and `-o yaml` print are objects of the API, or kinds of `" + report.APIVersion +
		"`, which have [JSON Schemas](../schemas). A kind only gets new optional fields.\n"
	pages["README.md"] = index + list + schemas + "\n## Flags of all commands\n\n" + flagTable(root.PersistentFlags())
	return pages
}

// TestEveryCommandIsDocumented: docs/commands has a page for each command, with what its help says, and no other.
func TestEveryCommandIsDocumented(t *testing.T) {
	want := commandPagesOf(New(Environment{Connect: func(Kubeconfig) Connection { return nil }}))
	if golden.Updating() {
		if err := os.MkdirAll(commandPages, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(commandPages, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := os.ReadDir(commandPages)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(commandPages, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if want[file.Name()] != string(text) {
			t.Errorf("%s/%s isn't what the command's help says (-update writes it)", commandPages, file.Name())
		}
		delete(want, file.Name())
	}
	for name := range want {
		t.Errorf("there is no %s/%s (-update writes it)", commandPages, name)
	}
}

// example is one line of a command's help that somebody may type.
type example struct{ command, line string }

// examples returns the examples of all commands, those of one command in their order.
func examples() []example {
	var all []example
	leaves := leafCommands()
	for _, path := range slices.Sorted(maps.Keys(leaves)) {
		for line := range strings.Lines(leaves[path].Example) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, example{path, line})
			}
		}
	}
	return all
}

// TestEveryCommandHasAnExample, and each is a command line that its command accepts.
func TestEveryCommandHasAnExample(t *testing.T) {
	has := map[string]bool{}
	for _, e := range examples() {
		has[e.command] = has[e.command] || strings.Contains(e.line, "kubectl fluid "+e.command)
		for part := range strings.SplitSeq(e.line, " | ") {
			words := shellWords(part)
			if len(words) < 2 || words[0] != "kubectl" {
				t.Errorf("%s: %q isn't a command line of kubectl", e.command, part)
				continue
			}
			if words[1] != "fluid" {
				continue
			}
			root := New(Environment{Connect: func(Kubeconfig) Connection { return nil }})
			cmd, rest, err := root.Find(words[2:])
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err == nil {
				err = cmd.ValidateArgs(cmd.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: %q: %v", e.command, part, err)
			}
		}
	}
	for path := range leafCommands() {
		if !has[path] {
			t.Errorf("%s has no example", path)
		}
	}
}

// shellWords splits a simple command line as a shell does: words may be in double quotes.
func shellWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
