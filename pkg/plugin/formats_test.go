package plugin

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// terminals are the kinds of what the output goes to.
func terminals() map[string]Environment {
	environment := func(terminal Terminal, variables map[string]string) Environment {
		return Environment{Terminal: terminal, Getenv: func(name string) string { return variables[name] }}
	}
	wide, narrow := Terminal{TTY: true, Width: 200}, Terminal{TTY: true, Width: 80}
	return map[string]Environment{
		"pipe":       environment(Terminal{}, map[string]string{"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}),
		"terminal":   environment(wide, map[string]string{"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}),
		"80-columns": environment(narrow, map[string]string{"TERM": "xterm-256color"}),
		"no-color":   environment(wide, map[string]string{"TERM": "xterm-256color", "NO_COLOR": "1"}),
		"dumb-zh":    environment(narrow, map[string]string{"TERM": "dumb", "LANG": "zh_CN.UTF-8"}),
		"pipe-zh":    environment(Terminal{}, map[string]string{"LC_ALL": "zh_CN.UTF-8", "LANG": "en_US.UTF-8"}),
	}
}

// everyCommand has a command line of each command that shows something, with the formats that it has.
func everyCommand() []struct {
	name, command string
	formats       []string
} {
	templates := func(path string) []string {
		return []string{"", formatWide, formatJSON, formatYAML, formatName, formatJSONPath + path, formatGoTemplate + "{{.kind}}", formatCustomColumns + "NAME:" + strings.Trim(path, "{}") + ",NONE:.nosuch"}
	}
	checks := func(path string) []string {
		return append(templates(path), formatShort, formatMarkdown, formatJUnit, formatSARIF)
	}
	return []struct {
		name, command string
		formats       []string
	}{
		{"version", "version", templates("{.clientVersion.version}")},
		{"explain-code", "explain KF3004", templates("{.code}")},
		{"list", "ref list -A", templates("{.metadata.name}")},
		{"check", "ref check --from default/phy -n ref --mirror-names=source", checks("{.name}")},
		{"check-waiting", "ref check waiting -n ref", checks("{.name}")},
		{"inspect-native", "inspect sidecar native -n ref", checks("{.name}")},
		{"inspect-not-injected", "inspect sidecar not-injected -n ref", checks("{.name}")},
		{"create", "ref create new -n ref --from default/phy --dry-run=client", []string{"", formatJSON, formatYAML, formatName, formatJSONPath + "{.metadata.name}", formatGoTemplate + "{{.kind}}"}},
	}
}

// TestEveryFormatOnEveryTerminal compares each command in each format with what it was; text for people on each kind of
// terminal.
func TestEveryFormatOnEveryTerminal(t *testing.T) {
	files := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml", "pods.yaml"}
	for _, test := range everyCommand() {
		t.Run(test.name, func(t *testing.T) {
			connect := connectTo(fakeClient(t, files...))
			for _, format := range test.formats {
				command := test.command
				if format != "" {
					command += " -o " + format
				}
				for kind, env := range terminals() {
					human := format == "" || format == formatWide
					if !human && kind != "pipe" {
						continue // The next test shows that it's the same.
					}
					env.Connect = connect
					r := runIn(t.Context(), env, strings.Fields(command))
					name, _, _ := strings.Cut(format, "=")
					if name == "" {
						name = "text"
					}
					golden(t, "formats/"+test.name+"/"+name+"."+kind+".txt", "$ kubectl fluid "+command+"\n"+normal(r.text()))
					checkDocument(t, format, r.out)
					checkLines(t, format, r.out)
				}
			}
		})
	}
}

// checkDocument makes sure that stdout is one document of the format.
func checkDocument(t *testing.T, format, text string) {
	t.Helper()
	var err error
	switch format {
	case formatJSON:
		validate(t, text)
	case formatSARIF:
		err = json.Unmarshal([]byte(text), &map[string]any{})
	case formatYAML:
		var data []byte
		if data, err = yaml.YAMLToJSONStrict([]byte(text)); err == nil {
			validate(t, string(data))
		}
	case formatJUnit:
		err = xml.Unmarshal([]byte(text), &struct{}{})
	}
	if err != nil {
		t.Errorf("-o %s isn't one document: %v\n%s", format, err, text)
	}
}

// checkLines makes sure that no line of a table ends in blanks.
func checkLines(t *testing.T, format, text string) {
	t.Helper()
	if format != "" && format != formatWide && !strings.HasPrefix(format, formatCustomColumns) {
		return
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); strings.TrimRight(line, " ") != line {
			t.Errorf("a line ends in blanks: %q", line)
		}
	}
}

// TestMachinesGetTheSameEverywhere: what isn't text for people depends on neither the terminal nor its width, and has no
// escape sequence.
func TestMachinesGetTheSameEverywhere(t *testing.T) {
	files := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml", "pods.yaml"}
	connect := connectTo(fakeClient(t, files...))
	for _, test := range everyCommand() {
		for _, format := range test.formats {
			if format == "" || format == formatWide {
				continue
			}
			want := ""
			for kind, env := range terminals() {
				env.Connect = connect
				got := runIn(t.Context(), env, append(strings.Fields(test.command), "--lang=en", "-o", format)).out
				if want == "" {
					want = got
				}
				if got != want || strings.Contains(got, "\x1b") {
					t.Errorf("%s -o %s on %s:\n%s\nand elsewhere:\n%s", test.command, format, kind, got, want)
				}
			}
		}
	}
}

// TestExplainListsEveryCode in each format, in both languages.
func TestExplainListsEveryCode(t *testing.T) {
	for _, format := range []string{"", " -o wide", " -o json", " -o yaml", " -o name", " -o jsonpath={.items[*].code}", " -o custom-columns=A:.code"} {
		for _, language := range reference.Languages() {
			r := run(t.Context(), noCluster(t), "explain --lang "+string(language)+format)
			for _, entry := range reference.CatalogueIn(language) {
				titled := format == "" || format == " -o wide" || format == " -o yaml"
				if !strings.Contains(r.out, string(entry.Code)) || titled && !strings.Contains(r.out, entry.Title) {
					t.Errorf("%s%s: %s isn't there", language, format, entry.Code)
				}
			}
		}
	}
}
