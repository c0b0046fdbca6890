package plugin

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// terminals are the kinds of what the output goes to.
func terminals() map[string]Environment {
	environment := func(terminal terminal.Terminal, variables map[string]string) Environment {
		return Environment{Terminal: terminal, Getenv: func(name string) string { return variables[name] }}
	}
	wide, narrow := terminal.Terminal{TTY: true, Width: 200}, terminal.Terminal{TTY: true, Width: 80}
	return map[string]Environment{
		"pipe":       environment(terminal.Terminal{}, map[string]string{"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}),
		"terminal":   environment(wide, map[string]string{"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}),
		"80-columns": environment(narrow, map[string]string{"TERM": "xterm-256color"}),
		"no-color":   environment(wide, map[string]string{"TERM": "xterm-256color", "NO_COLOR": "1"}),
		"dumb-zh":    environment(narrow, map[string]string{"TERM": "dumb", "LANG": "zh_CN.UTF-8"}),
		"pipe-zh":    environment(terminal.Terminal{}, map[string]string{"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}),
	}
}

// shownCommand is a command line that shows something.
type shownCommand struct {
	name      string
	arguments []string
	// files are what the cluster has; nil for a command that asks no cluster.
	files []string
	// sharedWith is the list of the owner of default/phy; empty for none.
	sharedWith string
}

// shownCommands has at least one command line of each command, but for those that write a script for a shell, which is
// cobra's, and the one that installs it (TestRealCompletion has their output).
func shownCommands() []shownCommand {
	everything := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml", "pods.yaml", "workloads.yaml", "served.yaml"}
	installed := []string{"installation.yaml", "references.yaml", "alluxio.yaml"}
	line := func(name, text string, files []string) shownCommand {
		return shownCommand{name, strings.Fields(text), files, ""}
	}
	shared := func(s shownCommand, list string) shownCommand { s.sharedWith = list; return s }
	return []shownCommand{
		// The versions of the client differ between toolchains.
		line("doctor", "doctor -n ref --skip client", installed),
		line("doctor-broken", "doctor -n ref --skip client", []string{"broken-installation.yaml", "references.yaml"}),
		line("explain", "explain", nil),
		line("explain-code", "explain KF3004", nil),
		line("inject", "inject -f testdata/inject/app.yaml -n ref --offline --objects testdata/alluxio.yaml --objects testdata/references.yaml", nil),
		line("inject-diff", "inject -f testdata/inject/app.yaml -n ref --diff --offline --objects testdata/alluxio.yaml --objects testdata/references.yaml", nil),
		line("inspect-dataset", "inspect dataset refdemo -n ref", everything),
		line("inspect-native", "inspect sidecar native -n ref", everything),
		line("inspect-not-injected", "inspect sidecar not-injected -n ref", everything),
		line("inspect-workload", "inspect sidecar deploy/web -n ref", everything),
		line("options", "options", nil),
		line("rbac-print", "rbac print", nil),
		{"rbac-print-for", []string{"rbac", "print", "--for", "ref list"}, nil, ""},
		line("can-i", "ref can-i --from default/phy -n ref", everything),
		shared(line("can-i-not", "ref can-i --from default/phy -n other", everything), "ref"),
		line("check", "ref check --from default/phy -n ref --mirror-names=source", everything),
		line("check-waiting", "ref check waiting -n ref", everything),
		line("create", "ref create new -n ref --from default/phy --dry-run=client", everything),
		line("create-refused", "ref create new -n ref --from default/phy --mirror-names=source", everything),
		line("delete", "ref delete refdemo -n ref --yes", everything),
		line("describe", "ref describe refdemo -n ref", everything),
		line("diff", "ref diff refdemo -n ref", everything),
		line("list", "ref list -A", everything),
		line("share", "ref share default/phy --with ref,team-b", everything),
		line("tree", "ref tree -n ref", everything),
		shared(line("unshare", "ref unshare default/phy --with other", everything), "ref,other"),
		line("version", "version", nil),
	}
}

// path returns the command of the command line as leafCommands has it.
func (s shownCommand) path(t *testing.T) string {
	t.Helper()
	cmd, _, err := New(Environment{Connect: func(Kubeconfig) Connection { return nil }}).Find(s.arguments)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(cmd.CommandPath(), "kubectl fluid ")
}

// formats returns what the command's -o takes, with templates, and "" for no -o.
func (s shownCommand) formats(t *testing.T) []string {
	t.Helper()
	return append([]string{""}, formatsOf(t, leafCommands()[s.path(t)])...)
}

// formatsOf returns what a command's -o takes, as the command says it for completion, with templates.
func formatsOf(t *testing.T, cmd *cobra.Command) []string {
	t.Helper()
	complete, ok := cmd.GetFlagCompletionFunc("output")
	if cmd.Flags().Lookup("output") == nil {
		return nil
	}
	if !ok {
		t.Fatalf("%s doesn't complete its formats", cmd.CommandPath())
	}
	templates := map[string]string{output.FormatJSONPath: "{.kind}", output.FormatGoTemplate: "{{.kind}}", output.FormatCustomColumns: "NAME:.name,NONE:.nosuch"}
	formats, _ := complete(cmd, nil, "")
	for i, format := range formats {
		formats[i] = format + templates[format]
	}
	return formats
}

// connect returns a connection to a cluster of its own that lets the command write.
func (s shownCommand) connect(t *testing.T) func(Kubeconfig) Connection {
	t.Helper()
	switch {
	case s.files == nil && s.arguments[0] == "version":
		return connectTo(nil)
	case s.files == nil:
		return noCluster(t)
	}
	denied := refuse(`admission webhook "reference.kubectl-fluid.dev" denied the request: KF3003: Dataset ref/kubectl-fluid-doctor: it is itself`)
	c := fakeClientWith(t, admission{addSidecar, denied, true}.calls(), s.files...)
	for _, object := range webhookConfigurations(authority(t, time.Hour, 300*24*time.Hour)) {
		object.SetAnnotations(map[string]string{reference.AnnotationMirrorNames: "unique", reference.AnnotationSharing: "rbac"})
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	if s.sharedWith != "" {
		withList(t, c, &s.sharedWith)
	}
	return connectTo(c)
}

// writes reports whether the command changes the cluster that it runs on.
func (s shownCommand) writes() bool {
	return slices.Contains([]string{"delete", "share", "unshare"}, s.name)
}

// run runs the command line in a format.
func (s shownCommand) run(t *testing.T, env Environment, format string, more ...string) result {
	t.Helper()
	arguments := slices.Concat(s.arguments, more)
	if format != "" {
		arguments = append(arguments, "-o", format)
	}
	return runIn(t.Context(), env, arguments)
}

// TestEveryCommandIsShown: no command is without golden output.
func TestEveryCommandIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, s := range shownCommands() {
		shown[s.path(t)] = true
	}
	for path := range leafCommands() {
		if !shown[path] && !strings.HasPrefix(path, "completion") {
			t.Errorf("%s isn't among the commands with golden output", path)
		}
	}
}

// TestEveryFormatOnEveryTerminal runs each command in each format, text for people on each kind of terminal. All that one
// of them shows is compared with what it was, and what the others show in a pipe.
func TestEveryFormatOnEveryTerminal(t *testing.T) {
	for _, s := range shownCommands() {
		t.Run(s.name, func(t *testing.T) {
			var text strings.Builder
			connect := s.connect(t)
			for _, format := range s.formats(t) {
				shown := map[string][]string{}
				for kind, env := range terminals() {
					if format != "" && format != output.FormatWide && kind != "pipe" {
						continue // The next test shows that it's the same.
					}
					if env.Connect = connect; s.writes() {
						env.Connect = s.connect(t)
					}
					out := s.checked(t, env, format)
					if s.name == "check" || format == "" && kind == "pipe" {
						shown[out] = append(shown[out], kind)
					}
				}
				s.write(&text, format, shown)
			}
			compare(t, "formats/"+s.name+".txt", text.String())
		})
	}
}

// checked runs the command line in a format, checks what can be checked of every output, and returns it.
func (s shownCommand) checked(t *testing.T, env Environment, format string) string {
	t.Helper()
	r := s.run(t, env, format)
	if r.code == ExitOK || r.out != "" {
		checkDocument(t, format, r.out)
	}
	if s.name != "inject-diff" { // An empty line of a diff begins with a blank.
		checkLines(t, format, r.out)
	}
	checkWidth(t, env.Terminal.Width, r.out)
	return normal(r.text())
}

// write writes what a format shows with the kinds of terminals that show it; those that show the same are said together.
func (s shownCommand) write(w *strings.Builder, format string, shown map[string][]string) {
	for _, out := range slices.SortedFunc(maps.Keys(shown), func(a, b string) int { return cmp.Compare(slices.Min(shown[a]), slices.Min(shown[b])) }) {
		slices.Sort(shown[out])
		command := "kubectl fluid " + strings.Join(s.arguments, " ")
		if format != "" {
			command += " -o " + format
		}
		w.WriteString("=== " + strings.Join(shown[out], ", ") + "\n$ " + command + "\n" + out)
	}
}

// checkDocument makes sure that stdout is one document of the format.
func checkDocument(t *testing.T, format, text string) {
	t.Helper()
	var err error
	switch format {
	case output.FormatJSON:
		validate(t, text)
	case output.FormatSARIF:
		err = json.Unmarshal([]byte(text), &map[string]any{})
	case output.FormatYAML:
		var data []byte
		if data, err = yaml.YAMLToJSONStrict([]byte(text)); err == nil {
			validate(t, string(data))
		}
	case output.FormatJUnit:
		err = xml.Unmarshal([]byte(text), &struct{}{})
	}
	if err != nil {
		t.Errorf("-o %s isn't one document: %v\n%s", format, err, text)
	}
}

// checkLines makes sure that no line of a table ends in blanks.
func checkLines(t *testing.T, format, text string) {
	t.Helper()
	if format != "" && format != output.FormatWide && !strings.HasPrefix(format, output.FormatCustomColumns) {
		return
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); strings.TrimRight(line, " ") != line {
			t.Errorf("a line ends in blanks: %q", line)
		}
	}
}

// checkWidth makes sure that no line is wider than the terminal, but for lines of manifests and of differences.
func checkWidth(t *testing.T, width int, text string) {
	t.Helper()
	escapes := regexp.MustCompile(`\x1b\[\d*m`)
	for line := range strings.Lines(text) {
		line = escapes.ReplaceAllString(strings.TrimSuffix(line, "\n"), "")
		if width > 0 && terminal.DisplayWidth(line) > width && !regexp.MustCompile(`^( *[-+@]|  |    )`).MatchString(line) {
			t.Errorf("%d columns of %d: %s", terminal.DisplayWidth(line), width, line)
		}
	}
}

// TestMachinesGetTheSameEverywhere: what isn't text for people depends on neither the terminal nor its width, and has no
// escape sequence.
func TestMachinesGetTheSameEverywhere(t *testing.T) {
	for _, s := range shownCommands() {
		connect := s.connect(t) // What has machine formats doesn't write here.
		for _, format := range s.formats(t) {
			if format == "" || format == output.FormatWide {
				continue
			}
			want := ""
			for kind, env := range terminals() {
				env.Connect = connect
				r := s.run(t, env, format, "--lang=en")
				got := fmt.Sprintf("%d %s", r.code, r.out)
				if want == "" {
					want = got
				}
				if got != want || strings.Contains(got, "\x1b") {
					t.Errorf("%s -o %s on %s:\n%s\nand elsewhere:\n%s", s.name, format, kind, got, want)
				}
			}
		}
	}
}

// TestExplainListsEveryCode in each format, in both languages.
func TestExplainListsEveryCode(t *testing.T) {
	for _, format := range []string{"", " -o wide", " -o json", " -o yaml", " -o name", " -o jsonpath={.items[*].code}", " -o custom-columns=A:.code"} {
		for _, language := range finding.Languages() {
			r := run(t.Context(), noCluster(t), "explain --lang "+string(language)+format)
			for _, entry := range finding.CatalogueIn(language) {
				titled := format == "" || format == " -o wide" || format == " -o yaml"
				if !strings.Contains(r.out, string(entry.Code)) || titled && !strings.Contains(r.out, entry.Title) {
					t.Errorf("%s%s: %s isn't there", language, format, entry.Code)
				}
			}
		}
	}
}
