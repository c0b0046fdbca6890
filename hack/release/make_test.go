package main

import (
	"bytes"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// checkout makes a clean checkout of the source tree as it is, with what isn't in git yet, always of the same commit.
func checkout(t *testing.T) string {
	t.Helper()
	const script = `set -e
git -C "$1" ls-files --cached --others --exclude-standard -z | (cd "$1"; xargs -0 -n1 sh -c 'test ! -e "$0" || printf "%s\0" "$0"' | tar --null --files-from=- --create) | tar --extract -C "$2"
cd "$2"; git init --quiet; git add --all; git -c user.name=release -c user.email=release@example.com commit --quiet --message=source`
	to := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", script, "bash", root, to)
	command.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2026-02-03T04:05:06Z", "GIT_COMMITTER_DATE=2026-02-03T04:05:06Z")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("checking out the source: %v\n%s", err, output)
	}
	return to
}

// typed runs a command as somebody types it in a directory, and returns what it prints.
func typed(t *testing.T, directory, line string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-c", line)
	command.Dir = directory
	output, err := command.CombinedOutput()
	return string(output), err
}

func mustType(t *testing.T, directory, line string) string {
	t.Helper()
	output, err := typed(t, directory, line)
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, output)
	}
	return output
}

func contents(t *testing.T, elements ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// platforms are those that these tests make releases for: this machine's, and one with another system, which is packed
// otherwise. make release makes all, which takes a quarter of an hour, and lets krew try each; krew's own test lets krew
// try small programs for each.
func platforms() string { return build.Host().String() + ",windows/amd64" }

// TestTargetsOfTheMakefile types what the documentation lets users type, in a clean checkout.
func TestTargetsOfTheMakefile(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the programs several times")
	}
	source := checkout(t)
	t.Run("make install", func(t *testing.T) {
		prefix := t.TempDir()
		mustType(t, source, "make install PREFIX="+prefix)
		if output := mustType(t, source, prefix+"/bin/kubectl-fluid version --client"); !strings.Contains(output, "built 2026-02-03T04:05:06Z") {
			t.Errorf("it prints %s", output)
		}
	})
	t.Run("make manifests", func(t *testing.T) {
		mustType(t, source, "make manifests IMAGE=registry.example.com/fluid/controller:v1")
		for _, file := range []string{"install.yaml", "with-fluid.yaml"} {
			if text := contents(t, source, "dist", file); !bytes.Contains(text, []byte("image: registry.example.com/fluid/controller:v1\n")) {
				t.Errorf("%s doesn't have the image", file)
			}
		}
		if text := contents(t, source, "dist", "crds.yaml"); bytes.Count(text, []byte("kind: CustomResourceDefinition\n")) != 3 {
			t.Error("crds.yaml doesn't have three CRDs")
		}
	})
	t.Run("make push", func(t *testing.T) { pushed(t, source) })
	t.Run("make release, twice", func(t *testing.T) { releasedTwice(t, source) })
	t.Run("the checksums are those of the files", func(t *testing.T) { checksumsHold(t, source+"/dist") })
	t.Run("the bill of materials names modules and licenses", func(t *testing.T) { materialsAreThere(t, source+"/dist") })
	t.Run("the provenance names all files and the commit", func(t *testing.T) { provenanceIsThere(t, source+"/dist", commitOf(t, source)) })
	t.Run("krew installs the plugin from an index", func(t *testing.T) { krewInstallsFromAnIndex(t, source) })
	t.Run("a release for another server", func(t *testing.T) {
		mustType(t, source, "make release VERSION=v1.2.3 RELEASEFLAGS='-platforms="+build.Host().String()+" -base-url=https://files.example.com'")
		if text := contents(t, source, "dist", "krew-manifest.yaml"); !bytes.Contains(text, []byte("uri: https://files.example.com/kubectl-fluid_v1.2.3_")) {
			t.Errorf("krew-manifest.yaml is\n%s", text)
		}
	})
}

// pushed sends the image to a registry of the test.
func pushed(t *testing.T, source string) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	reference := strings.TrimPrefix(server.URL, "http://") + "/fluid/controller:v1"
	mustType(t, source, "make push IMAGE="+reference+" RELEASEFLAGS=-platforms="+build.Host().String())
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag, remote.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Errorf("the registry has %+v, %v", manifest, err)
	}
}

// releasedTwice makes a release from two checkouts of a commit: the same bytes, and nothing from one that isn't clean.
func releasedTwice(t *testing.T, source string) {
	line := "make release VERSION=v1.2.3 RELEASEFLAGS=-platforms=" + platforms()
	again := checkout(t)
	mustType(t, source, line)
	mustType(t, again, line)
	checksums := contents(t, source, "dist", "checksums.txt")
	if other := contents(t, again, "dist", "checksums.txt"); !bytes.Equal(checksums, other) {
		t.Errorf("one release has the checksums\n%s\nthe other\n%s", checksums, other)
	}
	for _, want := range []string{"controller.oci.tar", "crds.yaml", "install.yaml", "with-fluid.yaml", "kubectl-fluid-1.2.3.tgz", "krew-manifest.yaml", "materials.spdx.json", ".tar.gz"} {
		if !bytes.Contains(checksums, []byte(want+"\n")) {
			t.Errorf("the release has no %s:\n%s", want, checksums)
		}
	}
	mustType(t, source+"/dist", "sha256sum --check --strict checksums.txt")
	if err := os.WriteFile(filepath.Join(again, "README.md"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := typed(t, again, line); err == nil || !strings.Contains(output, "clean checkout") {
		t.Errorf("a release was made from a checkout with changes: %v\n%s", err, output)
	}
}

// TestWhatCanBeAskedFor: versions that are none, and commands that aren't known, are refused.
func TestWhatCanBeAskedFor(t *testing.T) {
	t.Chdir("../..")
	for _, args := range [][]string{{"release"}, {"-version", "1.2.3", "release"}, {"-version", "v1.2", "release"}, {"publish"}, {}, {"image", "push"}, {"-unknown", "image"}, {"-platforms=darwin/arm64", "image"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%q was done", args)
		}
	}
}
