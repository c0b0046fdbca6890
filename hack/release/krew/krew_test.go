package krew

import (
	"archive/tar"
	"compress/gzip"
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

const baseURL = "https://" + build.Module + "/releases/download/v1.2.3"

// manifest returns a correct manifest for all platforms.
func manifest() Manifest {
	digests := map[build.Platform]string{}
	for _, p := range build.PluginPlatforms() {
		digests[p] = fmt.Sprintf("%x", sha256.Sum256([]byte(p.String())))
	}
	return New("v1.2.3", baseURL, build.PluginPlatforms(), digests)
}

func TestValidateFindsWhatKrewRefuses(t *testing.T) {
	if err := manifest().Validate(); err != nil {
		t.Fatalf("the manifest as rendered: %v", err)
	}
	for name, c := range map[string]struct {
		change func(*Manifest)
		want   string
	}{
		"another version of krew's API": {func(m *Manifest) { m.APIVersion = "v1" }, "apiVersion"},
		"a name that is no word":        {func(m *Manifest) { m.Metadata.Name = "flu id" }, "metadata.name"},
		"a version without v":           {func(m *Manifest) { m.Spec.Version = "1.2.3" }, "doesn't begin with v"},
		"a version that is none":        {func(m *Manifest) { m.Spec.Version = "v1.2" }, "spec.version"},
		"no short description":          {func(m *Manifest) { m.Spec.ShortDescription = "" }, "shortDescription"},
		"two lines of it":               {func(m *Manifest) { m.Spec.ShortDescription = "a\nb" }, "shortDescription"},
		"a long one":                    {func(m *Manifest) { m.Spec.ShortDescription = strings.Repeat("a", 51) }, "shortDescription"},
		"a long line":                   {func(m *Manifest) { m.Spec.Description = strings.Repeat("a", 81) }, "spec.description"},
		"no platform":                   {func(m *Manifest) { m.Spec.Platforms = nil }, "platforms is empty"},
		"a platform twice":              {func(m *Manifest) { m.Spec.Platforms[1].Selector = m.Spec.Platforms[0].Selector }, "another one is for"},
		"a selector for all":            {func(m *Manifest) { m.Spec.Platforms[0].Selector.MatchLabels = nil }, "selector"},
		"another label":                 {func(m *Manifest) { m.Spec.Platforms[0].Selector.MatchLabels["libc"] = "musl" }, "selector"},
		"plain http":                    {func(m *Manifest) { m.Spec.Platforms[0].URI = "http://example.com/a.tar.gz" }, "https"},
		"a digest in upper case":        {func(m *Manifest) { m.Spec.Platforms[0].SHA256 = strings.Repeat("A", 64) }, "sha256"},
		"no digest":                     {func(m *Manifest) { m.Spec.Platforms[0].SHA256 = "" }, "sha256"},
		"an empty list of files":        {func(m *Manifest) { m.Spec.Platforms[0].Files = []FileOperation{} }, "files is empty"},
		"no license":                    {func(m *Manifest) { m.Spec.Platforms[0].Files = m.Spec.Platforms[0].Files[:1] }, "LICENSE"},
		"a path that isn't clean":       {func(m *Manifest) { m.Spec.Platforms[0].Files[0].To = "./x/" }, "clean"},
		"no executable":                 {func(m *Manifest) { m.Spec.Platforms[0].Bin = "" }, "bin"},
		"Windows without .exe":          {func(m *Manifest) { m.Spec.Platforms[7].Bin = "kubectl-fluid" }, ".exe"},
	} {
		m := manifest()
		c.change(&m)
		if err := m.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParseRefusesFieldsThatKrewDoesntKnow(t *testing.T) {
	if _, err := Parse([]byte("apiVersion: x\nspec: {shortDesc: y}\n")); err == nil {
		t.Error("an unknown field was read")
	}
}

// TestInstallRefusesWhatKrewRefuses unpacks archives that krew wouldn't install.
func TestInstallRefusesWhatKrewRefuses(t *testing.T) {
	platform := build.Platform{OS: "linux", Arch: "amd64"}
	source := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(source, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []archive.File{
		{Name: "kubectl-fluid", Source: source, Executable: true}, {Name: "LICENSE", Source: source}, {Name: "THIRD_PARTY_NOTICES", Source: source},
	}
	plain := append([]archive.File{{Name: "kubectl-fluid", Source: source}}, all[1:]...)
	for name, c := range map[string]struct {
		write func(path string) error
		want  string
	}{
		"all is well":          {func(path string) error { return archive.Write(path, time.Now(), all) }, ""},
		"no license":           {func(path string) error { return archive.Write(path, time.Now(), all[:1]) }, "LICENSE"},
		"no executable":        {func(path string) error { return archive.Write(path, time.Now(), all[1:]) }, "kubectl-fluid"},
		"can't be executed":    {func(path string) error { return archive.Write(path, time.Now(), plain) }, "executable"},
		"a link":               {writeEntry(&tar.Header{Typeflag: tar.TypeSymlink, Name: "kubectl-fluid", Linkname: "/bin/sh"}), "regular file"},
		"out of the directory": {writeEntry(&tar.Header{Typeflag: tar.TypeReg, Name: "../kubectl-fluid", Mode: 0o755}), "leads out"},
	} {
		path := filepath.Join(t.TempDir(), "archive.tar.gz")
		if err := c.write(path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := New("v1.2.3", baseURL, []build.Platform{platform}, map[build.Platform]string{platform: fmt.Sprintf("%x", sha256.Sum256(data))})
		root := t.TempDir()
		link, err := m.Install(m.Spec.Platforms[0], path, root)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && link != filepath.Join(root, "bin", "kubectl-fluid") {
			t.Errorf("%s: linked as %s", name, link)
		}
		m.Spec.Platforms[0].SHA256 = strings.Repeat("0", 64)
		if _, err := m.Install(m.Spec.Platforms[0], path, t.TempDir()); err == nil || !strings.Contains(err.Error(), "SHA-256") {
			t.Errorf("%s with another digest: %v", name, err)
		}
	}
}

// writeEntry writes a tar.gz of one entry.
func writeEntry(header *tar.Header) func(path string) error {
	return func(path string) error {
		out, err := os.Create(path)
		if err != nil {
			return err
		}
		defer out.Close()
		compressed := gzip.NewWriter(out)
		w := tar.NewWriter(compressed)
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		return compressed.Close()
	}
}
