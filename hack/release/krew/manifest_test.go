package krew

import (
	"os"
	"slices"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// TestTheManifestInTheSourceTreeIsRendered: the manifest at the top level, of the newest release, is what this package
// makes of that release's version and digests.
func TestTheManifestInTheSourceTreeIsRendered(t *testing.T) {
	data, err := os.ReadFile("../../../krew-manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	var platforms []build.Platform
	digests := map[build.Platform]string{}
	for _, p := range got.Spec.Platforms {
		platform := build.Platform{OS: p.Selector.MatchLabels["os"], Arch: p.Selector.MatchLabels["arch"]}
		platforms, digests[platform] = append(platforms, platform), p.SHA256
	}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			if !slices.Contains(platforms, build.Platform{OS: goos, Arch: arch}) {
				t.Errorf("it isn't for %s/%s", goos, arch)
			}
		}
	}
	version := got.Spec.Version
	want, err := New(version, "https://"+build.Module+"/releases/download/"+version, platforms, digests).YAML()
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(data) {
		t.Errorf("krew-manifest.yaml isn't what make release renders for %s:\n%s", version, want)
	}
}
