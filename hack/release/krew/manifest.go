// Package krew renders the plugin's manifest for krew, kubectl's plugin manager, checks it by krew's rules and installs
// from it as krew does.
package krew

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// Name is the plugin's in krew: kubectl fluid.
const Name = "fluid"

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

// New returns the manifest of a version whose archives, below baseURL, have the given SHA-256 digests.
func New(version, baseURL string, platforms []build.Platform, digests map[build.Platform]string) Manifest {
	m := Manifest{
		APIVersion: "krew.googlecontainertools.github.com/v1alpha2",
		Kind:       "Plugin",
		Metadata:   Metadata{Name: Name},
		Spec: Spec{
			Version:          version,
			Homepage:         "https://" + build.Module,
			ShortDescription: "Use Fluid Datasets of other namespaces safely",
			Description: `Create references to Fluid Datasets of other namespaces and see before anything
is written what would go wrong: ConfigMap names that are taken, Secrets that the
sidecar can't have, FUSE clients that can't be sidecars. See which FUSE sidecar
was or would be injected into a pod, and why not.
`,
			Caveats: fmt.Sprintf(`References are served by a controller in the cluster. To install it, see
https://%s#on-an-existing-cluster
`, build.Module),
		},
	}
	for _, p := range platforms {
		executable := p.Executable("kubectl-fluid")
		m.Spec.Platforms = append(m.Spec.Platforms, Platform{
			Selector: Selector{MatchLabels: map[string]string{"os": p.OS, "arch": p.Arch}},
			URI:      strings.TrimSuffix(baseURL, "/") + "/" + ArchiveName(version, p),
			SHA256:   digests[p],
			Files:    []FileOperation{{From: executable, To: "."}, {From: "LICENSE", To: "."}, {From: "THIRD_PARTY_NOTICES", To: "."}},
			Bin:      executable,
		})
	}
	return m
}

// Parse reads a manifest and refuses what krew doesn't know.
func Parse(data []byte) (Manifest, error) {
	var m Manifest
	if err := yaml.UnmarshalStrict(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("reading a manifest of krew: %w", err)
	}
	return m, nil
}

// YAML returns the manifest as a file.
func (m Manifest) YAML() ([]byte, error) {
	data, err := yaml.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing a manifest of krew: %w", err)
	}
	return append([]byte("# Made by make release from the archives that it names.\n"), data...), nil
}
