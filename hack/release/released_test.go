package main

import (
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/dist"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/krew"
)

// commitOf returns the commit of a checkout.
func commitOf(t *testing.T, source string) string {
	t.Helper()
	return strings.TrimSpace(mustType(t, source, "git rev-parse HEAD"))
}

func checksumsHold(t *testing.T, directory string) {
	files, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(contents(t, directory, dist.Checksums))), "\n")
	if want := len(files) - 2; len(lines) != want {
		t.Errorf("%d of %d files have a checksum", len(lines), want)
	}
	for _, line := range lines {
		digest, name, _ := strings.Cut(line, "  ")
		if got := fmt.Sprintf("%x", sha256.Sum256(contents(t, directory, name))); got != digest {
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
	if err := json.Unmarshal(contents(t, directory, dist.Materials), &document); err != nil {
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
	for name, license := range map[string]string{"controller " + build.Host().String(): "Apache-2.0", "kubectl-fluid windows/amd64": "Apache-2.0", "k8s.io/client-go": "Apache-2.0", "sigs.k8s.io/controller-runtime": "Apache-2.0", "stdlib": "BSD-3-Clause"} {
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

func provenanceIsThere(t *testing.T, directory, commit string) {
	var s struct {
		Subject       []json.RawMessage
		PredicateType string
		Predicate     struct {
			BuildDefinition struct {
				ResolvedDependencies []struct{ Digest map[string]string }
			}
		}
	}
	if err := json.Unmarshal(contents(t, directory, dist.Provenance), &s); err != nil {
		t.Fatal(err)
	}
	if want := strings.Count(string(contents(t, directory, dist.Checksums)), "\n"); len(s.Subject) != want || s.PredicateType != "https://slsa.dev/provenance/v1" {
		t.Errorf("%d subjects of %d in a statement of the type %s", len(s.Subject), want, s.PredicateType)
	}
	if source := s.Predicate.BuildDefinition.ResolvedDependencies[0]; source.Digest["gitCommit"] != commit {
		t.Errorf("the source is %+v", source)
	}
}

// krewInstallsFromAnIndex: an index of one's own, whose archives are on a server of one's own, as docs/installation.md
// lays it out for users without internet, or its manifest alone.
func krewInstallsFromAnIndex(t *testing.T, source string) {
	directory := filepath.Join(source, "dist")
	server := httptest.NewTLSServer(http.FileServer(http.Dir(directory)))
	defer server.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	manifest := strings.ReplaceAll(string(contents(t, directory, dist.KrewManifest)), "https://"+build.Module+"/releases/download/v1.2.3", server.URL)
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
	program, err := krew.Build(t.Context(), source, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, commands := range [][][]string{
		{{"index", "add", "team", "file://" + index}, {"install", "team/fluid"}},
		{{"install", "--manifest=" + filepath.Join(index, "plugins", "fluid.yaml")}},
	} {
		root := t.TempDir()
		for _, args := range commands {
			if err := program.Run(t.Context(), root, []string{"SSL_CERT_FILE=" + authority}, args...); err != nil {
				t.Fatal(err)
			}
		}
		installed := filepath.Join(root, "bin", build.Host().Executable("kubectl-fluid"))
		output, err := exec.CommandContext(t.Context(), installed, "version", "--client").CombinedOutput()
		if want := "Client Version: v1.2.3 (commit " + commitOf(t, source) + ", built 2026-02-03T04:05:06Z)"; err != nil || !strings.Contains(string(output), want) {
			t.Errorf("installed by %q, version --client prints (%v)\n%s", commands, err, output)
		}
	}
}
