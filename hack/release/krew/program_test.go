package krew

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/archive"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// TestKrewInstallsEveryPlatform packs a small program for each platform that releases are for, and lets krew itself check
// the manifest and install it: what compiling the plugin for all of them would add takes make release a quarter of an
// hour, which tries every archive too.
func TestKrewInstallsEveryPlatform(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds krew")
	}
	directory := t.TempDir()
	file := filepath.Join(directory, "a")
	if err := os.WriteFile(file, []byte("a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	digests := map[build.Platform]string{}
	for _, p := range build.PluginPlatforms() {
		name := filepath.Join(directory, ArchiveName("v9.8.7", p))
		err := archive.Write(name, time.Unix(1700000000, 0), []archive.File{
			{Name: p.Executable("kubectl-fluid"), Source: file, Executable: true}, {Name: "LICENSE", Source: file}, {Name: "THIRD_PARTY_NOTICES", Source: file},
		})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		digests[p] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	template, _, _ := inTheTree(t)
	filled, err := Fill(template, build.Release{Version: "v9.8.7"}, "https://files.example.com", build.PluginPlatforms(), digests)
	if err != nil {
		t.Fatal(err)
	}
	program, err := Build(t.Context(), source, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(directory, "manifest.yaml")
	write(t, manifest, filled)
	for _, p := range build.PluginPlatforms() {
		installs(t, program, p, manifest, filepath.Join(directory, ArchiveName("v9.8.7", p)))
	}
	refusals(t, program, filled, directory)
}

// installs lets krew install an archive and looks at what is there.
func installs(t *testing.T, program Program, p build.Platform, manifest, archive string) {
	t.Helper()
	root := t.TempDir()
	if err := program.Install(t.Context(), root, p, manifest, archive); err != nil {
		t.Error(err)
	}
	for _, name := range []string{p.Executable("kubectl-fluid"), "LICENSE", "THIRD_PARTY_NOTICES"} {
		if _, err := os.Stat(filepath.Join(root, "store", "fluid", "v9.8.7", name)); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	if linked, err := os.ReadDir(filepath.Join(root, "bin")); err != nil || len(linked) != 1 || linked[0].Name() != p.Executable("kubectl-fluid") {
		t.Errorf("%s: it has linked %v, %v", p, linked, err)
	}
}

// refusals: an error of krew's is one of make release.
func refusals(t *testing.T, program Program, filled []byte, directory string) {
	t.Helper()
	manifest := filepath.Join(directory, "wrong.yaml")
	linux, windows := build.Platform{OS: "linux", Arch: "amd64"}, build.Platform{OS: "windows", Arch: "amd64"}
	for _, c := range []struct {
		from, to string
		archive  build.Platform
		want     string
	}{
		{"version: v9.8.7", "version: 9.8.7", linux, "version"},
		{"bin: kubectl-fluid\n", "bin: ''\n", linux, "bin"},
		{"kind: Plugin", "kind: Plug", linux, "kind"},
		{"name: fluid", "name: flu id", linux, "name"},
		{"kind: Plugin", "kind: Plugin", windows, "checksum"},
	} {
		write(t, manifest, bytes.ReplaceAll(filled, []byte(c.from), []byte(c.to)))
		err := program.Install(t.Context(), t.TempDir(), linux, manifest, filepath.Join(directory, ArchiveName("v9.8.7", c.archive)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("krew took a manifest with %q, or the archive for %s: %v", c.to, c.archive, err)
		}
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
