package plugin

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// maxProgramSize is how large the released program may be, in bytes.
const maxProgramSize = 40_000_000

// released builds the program as it is released and returns its file.
func released(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubectl-fluid")
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "github.com/kubectl-fluid/kubectl-fluid/cmd/kubectl-fluid")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatal(string(out))
	}
	return file
}

// TestProgramIsSmall builds the program. A package that looks methods up by name makes it a third larger at once.
func TestProgramIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the plugin")
	}
	info, err := os.Stat(released(t))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= maxProgramSize {
		t.Errorf("the program has %d bytes, and less than %d are allowed", info.Size(), maxProgramSize)
	}
}

// BenchmarkStartUp starts the program, and kubectl beside it in the same run.
func BenchmarkStartUp(b *testing.B) {
	program := released(b)
	commands := map[string][]string{"kubectl-fluid version --client": {program, "version", "--client"}, "kubectl-fluid --help": {program, "--help"}}
	if kubectl := findKubectl(); kubectl != "" {
		commands["kubectl version --client"] = []string{kubectl, "version", "--client"}
	}
	for name, command := range commands {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
	if info, err := os.Stat(program); err == nil {
		b.ReportMetric(float64(info.Size())/1e6, "MB")
	}
}

// findKubectl returns the kubectl that the tests' clusters have, or else that of the PATH; empty if there is none.
func findKubectl() string {
	if cache, err := os.UserCacheDir(); err == nil {
		if found, err := filepath.Glob(filepath.Join(cache, "kubectl-fluid", "tools", "*", "kubectl")); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	found, err := exec.LookPath("kubectl")
	if err != nil {
		return ""
	}
	return found
}
