package krew

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

const source = "../../.."

// inTheTree returns the manifest of the source tree and the commit that its archives were made of.
func inTheTree(t *testing.T) (data []byte, m Manifest, commit string) {
	t.Helper()
	data, err := os.ReadFile(source + "/krew-manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Parse(data); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	commit, found := strings.CutPrefix(strings.TrimSuffix(first, "."), madeOf)
	if !found {
		t.Fatalf("krew-manifest.yaml begins with %q and doesn't say of which commit its archives were made", first)
	}
	return data, m, commit
}

// TestTheManifestInTheSourceTreeIsFilledIn for every platform that releases are made for, as Fill does it.
func TestTheManifestInTheSourceTreeIsFilledIn(t *testing.T) {
	data, m, commit := inTheTree(t)
	digests := map[build.Platform]string{}
	for _, p := range m.Spec.Platforms {
		platform := p.Selector.Platform()
		if _, twice := digests[platform]; twice || !slices.Contains(build.PluginPlatforms(), platform) {
			t.Errorf("it is for %s twice, or no release is", platform)
		}
		digests[platform] = p.SHA256
	}
	version := m.Spec.Version
	want, err := Fill(data, build.Release{Version: version, Commit: commit}, "https://"+build.Module+"/releases/download/"+version, build.PluginPlatforms(), digests)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, data) {
		t.Errorf("krew-manifest.yaml isn't as make release fills it in for %s:\n%s", version, want)
	}
}

// TestTheManifestInTheSourceTreeIsOfTheNewestVersion, which CHANGELOG.md names first, and of its tag's commit.
func TestTheManifestInTheSourceTreeIsOfTheNewestVersion(t *testing.T) {
	_, m, commit := inTheTree(t)
	changes, err := os.ReadFile(source + "/CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (v\S+)`).FindStringSubmatch(string(changes))
	if newest == nil {
		t.Fatal("CHANGELOG.md names no version")
	}
	remedy := fmt.Sprintf("check %s out, type make release VERSION=%s, and commit the krew-manifest.yaml that it writes", newest[1], newest[1])
	if m.Spec.Version != newest[1] {
		t.Errorf("krew-manifest.yaml is stale: it is of %s, and the newest version is %s: %s", m.Spec.Version, newest[1], remedy)
	}
	tagged, err := exec.CommandContext(t.Context(), "git", "-C", source, "rev-parse", "--verify", "--quiet", newest[1]+"^{commit}").Output()
	if err != nil {
		t.Skipf("%s isn't tagged here: the checksums in krew-manifest.yaml are those of commit %s", newest[1], commit)
	}
	if got := strings.TrimSpace(string(tagged)); got != commit {
		t.Errorf("krew-manifest.yaml is stale: its checksums are those of commit %s, and %s is %s: %s", commit, newest[1], got, remedy)
	}
}

func TestFillWantsEveryPlatformInTheManifest(t *testing.T) {
	data, _, _ := inTheTree(t)
	unknown := build.Platform{OS: "plan9", Arch: "amd64"}
	if _, err := Fill(data, build.Release{Version: "v1.2.3"}, "https://example.com", []build.Platform{unknown}, nil); err == nil || !strings.Contains(err.Error(), "plan9/amd64") {
		t.Errorf("a manifest was filled in for plan9: %v", err)
	}
}

func TestParseRefusesFieldsThatKrewDoesntKnow(t *testing.T) {
	if _, err := Parse([]byte("apiVersion: x\nspec: {shortDesc: y}\n")); err == nil {
		t.Error("an unknown field was read")
	}
}
