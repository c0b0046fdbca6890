package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// maxLines is how large a package may be, in lines of its files that aren't tests.
const maxLines = 3600

// TestNoPackageIsTooLarge: within a package nothing keeps what it is made of apart.
func TestNoPackageIsTooLarge(t *testing.T) {
	command := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.Dir}} {{join .GoFiles " "}}`, "./api/...", "./cmd/...", "./pkg/...")
	command.Dir = "../.."
	packages, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(packages)) {
		directory, files, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines := 0
		for file := range strings.FieldsSeq(files) {
			text, err := os.ReadFile(filepath.Join(directory, file))
			if err != nil {
				t.Fatal(err)
			}
			lines += bytes.Count(text, []byte("\n"))
		}
		if lines > maxLines {
			t.Errorf("%s has %d lines, more than %d: give a part of it a package", directory, lines, maxLines)
		}
	}
}
