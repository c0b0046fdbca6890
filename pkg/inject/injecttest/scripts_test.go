package injecttest

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestHideReplacesAWholeScriptInEveryForm(t *testing.T) {
	const script = "first=$1 <\"&\"\nif x; then\n  second\nfi\n"
	scripts := Scripts{"a.sh": script}
	asYAML, err := yaml.Marshal(map[string]any{"spec": map[string]any{"command": []string{"sh", script}}})
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal([]string{script, string(asYAML)})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		script + "more\n":                     "<<a.sh>>\nmore\n",
		script + script:                       "<<a.sh>>\n<<a.sh>>\n",
		strings.ReplaceAll(script, "$", "$$"): "<<a.sh>>\n",
		string(asYAML):                        "spec:\n  command:\n  - sh\n  - |\n    <<a.sh>>\n",
		string(asJSON):                        `["<<a.sh>>\n","spec:\n  command:\n  - sh\n  - |\n    <<a.sh>>\n"]`,
		"+  " + strings.ReplaceAll(strings.TrimSuffix(script, "\n"), "\n", "\n+  ") + "\n": "+  <<a.sh>>\n",
		// Another script is left alone, and so is a part of one.
		strings.Replace(script, "second", "other", 1): strings.Replace(script, "second", "other", 1),
		"first=$1 <\"&\"\n":                           "first=$1 <\"&\"\n",
		"if " + script:                                "if " + script,
		strings.TrimSuffix(script, "\n") + "; done\n": strings.TrimSuffix(script, "\n") + "; done\n",
	} {
		if got := scripts.Hide(text); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

// TestNoGoldenFileHasAScript: who changes a word of a script changes the script's file and no golden one.
func TestNoGoldenFileHasAScript(t *testing.T) {
	var words []string
	for _, script := range ReadScripts(t, "../scripts") {
		for line := range strings.Lines(script) {
			if line = strings.TrimSpace(line); len(line) >= 12 {
				words = append(words, line, quoted(true)(line), quoted(false)(line), strings.ReplaceAll(line, "$", "$$"))
			}
		}
	}
	read := 0
	for _, directory := range []string{"../testdata", "../../plugin"} {
		err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.Contains(path, "testdata") {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			read++
			for _, line := range words {
				if strings.Contains(string(text), line) {
					t.Errorf("%s has a line of a script: %s", path, line)
					break
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 500 || len(words) < 100 {
		t.Errorf("only %d files and %d lines were read", read, len(words))
	}
}
