package dist

import (
	"crypto/sha256"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/archive"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/krew"
)

// krewProgram is krew, with a directory for what it installs.
type krewProgram struct {
	file, root string
	// more is added to its environment.
	more []string
}

// buildKrew builds krew as hack/krew pins it.
func buildKrew(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubectl-krew")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", file, "sigs.k8s.io/krew/cmd/krew")
	command.Dir, command.Env = filepath.Join(source, "hack", "krew"), build.Environment(build.Host())
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building krew: %v\n%s", err, output)
	}
	return file
}

// run runs krew, or fails the test.
func (k krewProgram) run(t *testing.T, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), k.file, args...)
	command.Env = append(append(os.Environ(), "KREW_ROOT="+k.root), k.more...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("krew %s with %q: %v\n%s", strings.Join(args, " "), k.more, err, output)
	}
}

// TestKrewInstallsEveryPlatform packs a small program for each platform that releases are for, and lets krew itself install
// it from the manifest: what compiling the plugin for all of them would add takes make release a quarter of an hour, which
// tries every archive too.
func TestKrewInstallsEveryPlatform(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds krew")
	}
	work, directory := t.TempDir(), t.TempDir()
	text := filepath.Join(work, "text")
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(work, "program")
	if err := os.WriteFile(program, fmt.Appendf(nil, "#!/bin/sh\necho 'Client Version: v9.8.7 (commit %s, built 2023-11-14T22:13:20Z)'\n", release("").Commit), 0o755); err != nil {
		t.Fatal(err)
	}
	digests := map[build.Platform]string{}
	for _, p := range build.PluginPlatforms() {
		name := krew.ArchiveName("v9.8.7", p)
		err := archive.Write(filepath.Join(directory, name), release("").Date, []archive.File{
			{Name: p.Executable("kubectl-fluid"), Source: program, Executable: true}, {Name: "LICENSE", Source: text}, {Name: notices, Source: text},
		})
		if err != nil {
			t.Fatal(err)
		}
		digests[p] = fmt.Sprintf("%x", sha256.Sum256(read(t, directory, name)))
	}
	manifest, err := krew.New("v9.8.7", "https://files.example.com", build.PluginPlatforms(), digests).YAML()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, KrewManifest), manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	krewItselfInstalls(t, buildKrew(t), directory, build.PluginPlatforms())
}

// krewItselfInstalls: krew takes the archive of each platform for what the manifest says, as it would on that platform.
func krewItselfInstalls(t *testing.T, program, directory string, platforms []build.Platform) {
	for _, p := range platforms {
		k := krewProgram{file: program, root: t.TempDir(), more: []string{"KREW_OS=" + p.OS, "KREW_ARCH=" + p.Arch}}
		k.run(t, "install", "--manifest="+filepath.Join(directory, KrewManifest), "--archive="+filepath.Join(directory, krew.ArchiveName("v9.8.7", p)))
		installed := filepath.Join(k.root, "store", "fluid", "v9.8.7")
		for _, name := range []string{p.Executable("kubectl-fluid"), "LICENSE", notices} {
			if _, err := os.Stat(filepath.Join(installed, name)); err != nil {
				t.Errorf("%s: %v", p, err)
			}
		}
		if p == build.Host() {
			answers(t, k.root)
		}
		linked, err := os.ReadDir(filepath.Join(k.root, "bin"))
		if err != nil || len(linked) != 1 || linked[0].Name() != p.Executable("kubectl-fluid") {
			t.Errorf("%s: it has linked %v, %v", p, linked, err)
		}
	}
}

// krewInstallsFromAnIndex: an index of one's own, whose archives are on a server of one's own, as docs/installation.md
// lays it out for users without internet, or its manifest alone.
func krewInstallsFromAnIndex(t *testing.T, program, directory string) {
	server := httptest.NewTLSServer(http.FileServer(http.Dir(directory)))
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	manifest := strings.ReplaceAll(string(read(t, directory, KrewManifest)), "https://"+build.Module+"/releases/download/v9.8.7", server.URL)
	index := t.TempDir()
	if err := os.Mkdir(filepath.Join(index, "plugins"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(index, "plugins", "fluid.yaml"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "--quiet"}, {"add", "."}, {"-c", "user.name=team", "-c", "user.email=team@example.com", "commit", "--quiet", "--message=fluid"}} {
		command := exec.CommandContext(t.Context(), "git", args...)
		command.Dir = index
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, output)
		}
	}
	k := krewProgram{file: program, root: t.TempDir(), more: []string{"SSL_CERT_FILE=" + authority}}
	k.run(t, "index", "add", "team", "file://"+index)
	k.run(t, "install", "team/fluid")
	answers(t, k.root)

	k.root = t.TempDir()
	k.run(t, "install", "--manifest="+filepath.Join(index, "plugins", "fluid.yaml"))
	answers(t, k.root)
}

// answers runs the plugin that krew has linked.
func answers(t *testing.T, root string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), filepath.Join(root, "bin", build.Host().Executable("kubectl-fluid")), "version", "--client").CombinedOutput()
	if want := fmt.Sprintf("Client Version: v9.8.7 (commit %s, built 2023-11-14T22:13:20Z)", release("").Commit); err != nil || !strings.Contains(string(output), want) {
		t.Errorf("installed, version --client prints (%v)\n%s", err, output)
	}
}
