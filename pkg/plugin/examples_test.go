package plugin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// exampleExit are the exit codes of examples that report something; others end with 0.
func exampleExit() map[string]int {
	return map[string]int{
		// There is no controller.
		"kubectl fluid doctor -n ref":                                        ExitFindings,
		"kubectl fluid doctor --only webhooks,certificates -o json":          ExitFindings,
		"kubectl fluid doctor -n ref --bundle fluid.tar.gz":                  ExitFindings,
		"kubectl fluid ref diff refdemo -n ref":                              ExitFindings,
		"kubectl fluid inspect sidecar -f pod.yaml -f reference.yaml -n ref": ExitFindings,
		// One reference is malformed.
		"kubectl fluid ref check -A -o json":                                  ExitFindings,
		"kubectl fluid ref check -f manifests/ -R --fail-on warning -o junit": ExitFindings,
		"kubectl fluid ref check -f manifests/ -R --offline":                  ExitFindings,
		"kubectl fluid ref check -k overlays/production":                      ExitFindings,
		"kubectl fluid ref list -A --broken --watch":                          ExitInterrupted,
	}
}

// exampleDirectory has the files that examples name.
func exampleDirectory(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	for target, sources := range map[string][]string{
		"datasets.yaml":                   {"testdata/alluxio.yaml", "testdata/references.yaml"},
		"manifests/references.yaml":       {"testdata/references.yaml"},
		"overlays/production/all.yaml":    {"testdata/references.yaml"},
		"examples/walkthrough/nginx.yaml": {"../../examples/walkthrough/nginx.yaml"},
		"app.yaml":                        {"testdata/inject/app.yaml"},
		"pod.yaml":                        {"../../examples/walkthrough/nginx.yaml"},
		"reference.yaml":                  {"testdata/references.yaml"},
		"deployment.yaml":                 {"testdata/inject/app.yaml"},
	} {
		var text []byte
		for _, source := range sources {
			data, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			text = append(append(text, "---\n"...), data...)
		}
		file := filepath.Join(directory, target)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for place, resource := range map[string]string{".": "app.yaml", "overlays/production": "all.yaml"} {
		text := "resources: [" + resource + "]\n"
		if err := os.WriteFile(filepath.Join(directory, place, "kustomization.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

// TestRealExamples types every example of the help texts into a shell, with kubectl and the built plugin, on a cluster
// that has what they name.
func TestRealExamples(t *testing.T) {
	r := newRealCluster(t)
	own, kubectl := program(t), startCluster(t).BinDir()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	for _, e := range examples() {
		t.Run(e.line, func(t *testing.T) {
			r.put(t, "ref", "namespaces.yaml", "alluxio.yaml", "thin.yaml", "references.yaml", "examples.yaml")
			line := e.line
			if e.command == "ref unshare" {
				line = "kubectl fluid ref share default/phy --with ref,team-b && " + line
			}
			if strings.Contains(line, "--watch") {
				line = "timeout --preserve-status --signal=INT 2 " + line // It ends when somebody ends it.
			}
			command := exec.CommandContext(t.Context(), bash, "-c", "set -o pipefail; "+line)
			command.Dir = exampleDirectory(t)
			command.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig, "PATH="+own+":"+kubectl+":"+os.Getenv("PATH"), "HOME="+command.Dir)
			out, err := command.CombinedOutput()
			if err != nil && command.ProcessState == nil {
				t.Fatal(err)
			}
			if got, want := command.ProcessState.ExitCode(), exampleExit()[e.line]; got != want {
				t.Errorf("exit code %d, want %d\n%s", got, want, out)
			}
		})
	}
}
