// Package krew fills in the plugin's manifest for krew, kubectl's plugin manager, and runs krew itself to try it.
package krew

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// Manifest is krew's Plugin, krew.googlecontainertools.github.com/v1alpha2, as far as this project needs it.
type Manifest struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Spec     `json:"spec"`
}

// Metadata is the metadata of a Manifest.
type Metadata struct {
	Name string `json:"name"`
}

// Spec says what the plugin is and where it is for each platform.
type Spec struct {
	Version          string     `json:"version"`
	Homepage         string     `json:"homepage"`
	ShortDescription string     `json:"shortDescription"`
	Description      string     `json:"description"`
	Caveats          string     `json:"caveats"`
	Platforms        []Platform `json:"platforms"`
}

// Platform is the archive for the machines that its selector matches.
type Platform struct {
	Selector Selector `json:"selector"`
	URI      string   `json:"uri"`
	SHA256   string   `json:"sha256"`
	// Files are taken out of the archive; krew removes the rest.
	Files []FileOperation `json:"files"`
	// Bin is the executable among them.
	Bin string `json:"bin"`
}

// Selector matches machines by "os" and "arch".
type Selector struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

// Platform is the one that the selector matches.
func (s Selector) Platform() build.Platform {
	return build.Platform{OS: s.MatchLabels["os"], Arch: s.MatchLabels["arch"]}
}

// FileOperation takes what From, a glob, matches in the archive to the directory or file To.
type FileOperation struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// ArchiveName returns the file name of the plugin's archive for a platform.
func ArchiveName(version string, p build.Platform) string {
	extension := ".tar.gz"
	if p.OS == "windows" {
		extension = ".zip"
	}
	return fmt.Sprintf("kubectl-fluid_%s_%s_%s%s", version, p.OS, p.Arch, extension)
}

// Fill returns the manifest of a release: that of the source tree with the release's version, and for each of platforms,
// which it must have, with where its archive is below baseURL and the archive's SHA-256 digest. A comment says which
// commit the archives were made of.
func Fill(template []byte, release build.Release, baseURL string, platforms []build.Platform, digests map[build.Platform]string) ([]byte, error) {
	m, err := Parse(template)
	if err != nil {
		return nil, err
	}
	known := m.Spec.Platforms
	m.Spec.Version, m.Spec.Platforms = release.Version, nil
	for _, p := range platforms {
		at := slices.IndexFunc(known, func(k Platform) bool { return k.Selector.Platform() == p })
		if at < 0 {
			return nil, fmt.Errorf("krew-manifest.yaml isn't for %s: add it to spec.platforms", p)
		}
		filled := known[at]
		filled.URI = strings.TrimSuffix(baseURL, "/") + "/" + ArchiveName(release.Version, p)
		filled.SHA256 = digests[p]
		m.Spec.Platforms = append(m.Spec.Platforms, filled)
	}
	data, err := yaml.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing a manifest of krew: %w", err)
	}
	return append(fmt.Appendf(nil, "%s%s.\n", madeOf, release.Commit), data...), nil
}

// madeOf begins the comment of a manifest that says of which commit its archives were made.
const madeOf = "# make release wrote version, uri and sha256, of archives that it made of commit "

// Parse reads a manifest and refuses what krew doesn't know.
func Parse(data []byte) (Manifest, error) {
	var m Manifest
	if err := yaml.UnmarshalStrict(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("reading a manifest of krew: %w", err)
	}
	return m, nil
}
