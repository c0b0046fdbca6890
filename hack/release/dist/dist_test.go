package dist

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/image"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/krew"
)

const source = "../../.."

// TestRelease makes a release of the real programs twice, from source trees in different directories, compares every
// byte, and installs the plugin from it for each platform as krew does.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("compiling for several platforms takes minutes")
	}
	// Each system once, and this machine's platform; TestKrewInstallsEveryPlatform has the others.
	platforms := []build.Platform{{OS: "darwin", Arch: "arm64"}, {OS: "windows", Arch: "amd64"}}
	if !slices.Contains(platforms, build.Host()) {
		platforms = append(platforms, build.Host())
	}
	absolute, err := filepath.Abs(source)
	if err != nil {
		t.Fatal(err)
	}
	var directories [2]string
	for i, root := range []string{absolute, copySource(t, absolute)} {
		directories[i] = t.TempDir()
		makeRelease(t, root, directories[i], platforms)
	}
	same(t, directories[0], directories[1])
	t.Run("the checksums are those of the files", func(t *testing.T) { checksumsHold(t, directories[0]) })
	t.Run("the bill of materials names modules and licenses", func(t *testing.T) { materialsAreThere(t, directories[0]) })
	t.Run("the provenance names all files and the commit", func(t *testing.T) { provenanceIsThere(t, directories[0]) })
	t.Run("the plugin can be installed for each platform as krew does it", func(t *testing.T) { krewInstalls(t, directories[0], platforms) })
	program := buildKrew(t)
	t.Run("krew itself installs it for each platform", func(t *testing.T) { krewItselfInstalls(t, program, directories[0], platforms) })
	t.Run("krew itself installs it from an index", func(t *testing.T) { krewInstallsFromAnIndex(t, program, directories[0]) })
}

func release(root string) build.Release {
	return build.Release{Source: root, Version: "v9.8.7", Commit: "0123456789abcdef", Date: time.Unix(1700000000, 0)}
}

func makeRelease(t *testing.T, root, directory string, platforms []build.Platform) {
	t.Helper()
	archive := filepath.Join(directory, "controller.oci.tar")
	if _, err := image.Build(t.Context(), release(root), build.ControllerPlatforms(), "kubectl-fluid/controller:v9.8.7", archive); err != nil {
		t.Fatal(err)
	}
	err := Make(t.Context(), Options{
		Release: release(root), Platforms: platforms, Directory: directory, Out: t.Output(),
		BaseURL: "https://" + build.Module + "/releases/download/v9.8.7",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// copySource copies what git knows of the source tree, or would add, to another directory: no .git, other times.
func copySource(t *testing.T, root string) string {
	t.Helper()
	list := exec.CommandContext(context.Background(), "git", "ls-files", "--cached", "--others", "--exclude-standard")
	list.Dir = root
	output, err := list.Output()
	if err != nil {
		t.Skipf("the source tree isn't a git checkout: %v", err)
	}
	to := t.TempDir()
	for name := range strings.Lines(string(output)) {
		name = strings.TrimSpace(name)
		data, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted, but not yet in git
		}
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// same compares two directories byte by byte.
func same(t *testing.T, one, other string) {
	t.Helper()
	files := names(t, one)
	if others := names(t, other); !slices.Equal(files, others) {
		t.Fatalf("one release has the files %q, the other %q", files, others)
	}
	for _, name := range files {
		if !bytes.Equal(read(t, one, name), read(t, other, name)) {
			t.Errorf("%s differs between two builds in different directories", name)
		}
	}
}

func names(t *testing.T, directory string) []string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func read(t *testing.T, directory, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func checksumsHold(t *testing.T, directory string) {
	lines := strings.Split(strings.TrimSpace(string(read(t, directory, Checksums))), "\n")
	if want := len(names(t, directory)) - 2; len(lines) != want {
		t.Errorf("%d of %d files have a checksum", len(lines), want)
	}
	for _, line := range lines {
		digest, name, _ := strings.Cut(line, "  ")
		if got := fmt.Sprintf("%x", sha256.Sum256(read(t, directory, name))); got != digest {
			t.Errorf("%s has the digest %s, not %s", name, got, digest)
		}
	}
}

func materialsAreThere(t *testing.T, directory string) {
	var document struct {
		SPDXVersion string `json:"spdxVersion"`
		Packages    []struct {
			Name            string `json:"name"`
			SPDXID          string `json:"SPDXID"`
			LicenseDeclared string `json:"licenseDeclared"`
		} `json:"packages"`
		Relationships []struct {
			From string `json:"spdxElementId"`
			Type string `json:"relationshipType"`
			To   string `json:"relatedSpdxElement"`
		} `json:"relationships"`
	}
	if err := json.Unmarshal(read(t, directory, Materials), &document); err != nil {
		t.Fatal(err)
	}
	licenses, known := map[string]string{}, map[string]bool{"SPDXRef-DOCUMENT": true}
	for _, p := range document.Packages {
		licenses[p.Name] = p.LicenseDeclared
		if known[p.SPDXID] {
			t.Errorf("%s is there twice", p.SPDXID)
		}
		known[p.SPDXID] = true
		if p.LicenseDeclared == "NOASSERTION" {
			t.Errorf("%s has no license", p.Name)
		}
	}
	for name, license := range map[string]string{"controller linux/arm64": "Apache-2.0", "k8s.io/client-go": "Apache-2.0", "sigs.k8s.io/controller-runtime": "Apache-2.0", "stdlib": "BSD-3-Clause"} {
		if licenses[name] != license {
			t.Errorf("%s has the license %q", name, licenses[name])
		}
	}
	for _, r := range document.Relationships {
		if !known[r.From] || !known[r.To] {
			t.Errorf("%s %s %s: one of them isn't in the document", r.From, r.Type, r.To)
		}
	}
	if document.SPDXVersion != "SPDX-2.3" || len(document.Relationships) < 100 {
		t.Errorf("%s with %d relationships", document.SPDXVersion, len(document.Relationships))
	}
}

func provenanceIsThere(t *testing.T, directory string) {
	var s statement
	if err := json.Unmarshal(read(t, directory, Provenance), &s); err != nil {
		t.Fatal(err)
	}
	if want := len(names(t, directory)) - 2; len(s.Subject) != want || s.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("%d subjects of %d in a statement of the type %s", len(s.Subject), want, s.PredicateType)
	}
	if source := s.Predicate.BuildDefinition.ResolvedDependencies[0]; source.Digest["gitCommit"] != "0123456789abcdef" {
		t.Errorf("the source is %+v", source)
	}
}

func krewInstalls(t *testing.T, directory string, platforms []build.Platform) {
	manifest, err := krew.Parse(read(t, directory, KrewManifest))
	if err != nil {
		t.Fatal(err)
	}
	if err := manifest.Validate(); err != nil {
		t.Error(err)
	}
	for i, p := range platforms {
		root := t.TempDir()
		if _, err := manifest.Install(manifest.Spec.Platforms[i], filepath.Join(directory, krew.ArchiveName("v9.8.7", p)), root); err != nil {
			t.Error(err)
		} else if p == build.Host() {
			answers(t, root)
		}
	}
}
