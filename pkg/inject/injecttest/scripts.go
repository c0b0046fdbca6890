// Package injecttest has what tests of several packages need to know about injection.
package injecttest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Scripts are the files of pkg/inject/scripts by name, which sidecars and probes run.
type Scripts map[string]string

// ReadScripts reads the scripts in a directory.
func ReadScripts(t testing.TB, directory string) Scripts {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(directory, "*.sh"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no scripts in %s (%v)", directory, err)
	}
	scripts := Scripts{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		scripts[filepath.Base(path)] = string(text)
	}
	return scripts
}

// Hide writes <<name.sh>> in place of each script in a text, so that a golden file doesn't change with a word of a script.
// The text may be a shell's, YAML, JSON with any indentation, or a difference of those.
func (s Scripts) Hide(text string) string {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		script := strings.TrimSuffix(s[name], "\n")
		// A sidecar's command has $$ for $ where kubelet would otherwise read a variable.
		for _, words := range []string{script, strings.ReplaceAll(script, "$", "$$")} {
			for _, quote := range []func(string) string{func(text string) string { return text }, quoted(true), quoted(false)} {
				text = hide(text, quote(words), quote("\n"), "<<"+name+">>")
			}
		}
	}
	return text
}

// quoted returns a function that writes a text as within a string of JSON.
func quoted(escapeHTML bool) func(string) string {
	return func(text string) string {
		var out strings.Builder
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(escapeHTML)
		if err := encoder.Encode(text); err != nil {
			panic(err) // A string can always be written.
		}
		return strings.TrimSuffix(strings.TrimPrefix(out.String(), `"`), "\"\n")
	}
}

// hide replaces a script that has whole lines, which all begin as the first one does: with blanks, and + or - in a
// difference.
func hide(text, script, newline, placeholder string) string {
	first, _, _ := strings.Cut(script, newline)
	var out strings.Builder
	for {
		at := strings.Index(text, first)
		if at < 0 {
			return out.String() + text
		}
		before := strings.TrimRight(text[:at], " +-")
		whole := strings.ReplaceAll(script, newline, newline+text[len(before):at])
		rest, found := strings.CutPrefix(text[at:], whole)
		begins := before == "" || strings.HasSuffix(before, newline) || strings.HasSuffix(before, `"`)
		ends := rest == "" || strings.HasPrefix(rest, newline) || strings.HasPrefix(rest, `"`)
		if found && begins && ends {
			out.WriteString(text[:at] + placeholder)
			text = rest
		} else {
			out.WriteString(text[:at+len(first)])
			text = text[at+len(first):]
		}
	}
}
