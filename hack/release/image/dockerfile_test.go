package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// TestDockerfileBuildsWhatItCopies does without a container engine what the Dockerfile says: it copies the same files and
// compiles them. The image runs as the one of this package does.
func TestDockerfileBuildsWhatItCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles the controller")
	}
	const root = "../../.."
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	work, programs := t.TempDir(), t.TempDir()
	compiled := false
	for line := range strings.Lines(string(text)) {
		switch words := strings.Fields(line); {
		case len(words) == 0:
		case words[0] == "COPY" && !strings.HasPrefix(words[1], "--from"):
			for _, name := range words[1 : len(words)-1] {
				if output, copyErr := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join(root, name), work).CombinedOutput(); copyErr != nil {
					t.Fatalf("%s: %s", line, output)
				}
			}
		case strings.Contains(line, "go build"):
			command := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(strings.TrimPrefix(line, "RUN "), "-o /out/", "-o "+programs+"/", 1))
			command.Dir, command.Env = work, append(build.Environment(build.Host()), "TARGETOS="+build.Host().OS, "TARGETARCH="+build.Host().Arch, "VERSION=v1.2.3")
			if output, buildErr := command.CombinedOutput(); buildErr != nil {
				t.Fatalf("%s: %v\n%s", line, buildErr, output)
			}
			compiled = true
		}
	}
	for _, program := range Programs() {
		argument := map[string]string{"controller": "--namespace=", "node": "--hidden-directory=/nonexistent", "fluid-fuse": "--version"}[program]
		command := exec.CommandContext(t.Context(), filepath.Join(programs, program), argument)
		command.Env = []string{"NODE_NAME=n"}
		if output, _ := command.CombinedOutput(); !compiled || !strings.Contains(string(output), "v1.2.3") {
			t.Errorf("the %s that it compiles prints %s", program, output)
		}
	}
	module, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`\ngo (\d+\.\d+)`).FindStringSubmatch(string(module))[1]
	for _, want := range []string{" golang:" + version + " AS build\n", "USER " + user + "\n", "FROM scratch\n", "ENTRYPOINT [\"/controller\"]\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile has no %q", want)
		}
	}
}
