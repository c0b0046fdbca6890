package image

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// write writes an image of programs that are no programs, in a directory of its own.
func write(t *testing.T) (archive string, digest v1.Hash) {
	t.Helper()
	directory := t.TempDir()
	release := build.Release{Version: "v1.2.3", Commit: "abc", Date: time.Unix(1700000000, 0)}
	var programs []Program
	for _, p := range build.ControllerPlatforms() {
		file := filepath.Join(directory, p.Arch)
		if err := os.WriteFile(file, []byte("for "+p.String()), 0o755); err != nil {
			t.Fatal(err)
		}
		programs = append(programs, Program{Platform: p, Files: map[string]string{"controller": file, "node": file}})
	}
	index, err := Index(release, programs, map[string][]byte{"/LICENSE": []byte("l"), "/A": []byte("a")})
	if err != nil {
		t.Fatal(err)
	}
	archive = filepath.Join(directory, "image.tar")
	if err = Write(archive, index, "kubectl-fluid/controller:v1.2.3", release.Date); err != nil {
		t.Fatal(err)
	}
	if digest, err = index.Digest(); err != nil {
		t.Fatal(err)
	}
	return archive, digest
}

// TestTheSameProgramsMakeTheSameArchive compares two that were made in different directories, at different times.
func TestTheSameProgramsMakeTheSameArchive(t *testing.T) {
	first, _ := write(t)
	second, _ := write(t)
	one, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if string(one) != string(other) {
		t.Error("the archives differ")
	}
}

// TestARegistryTakesTheImage sends the archive to a registry and looks at what comes back.
func TestARegistryTakesTheImage(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	archive, digest := write(t)
	reference := strings.TrimPrefix(server.URL, "http://") + "/team/controller:v1.2.3"
	if err := Push(t.Context(), archive, reference); err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(reference)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(tag, remote.WithContext(context.Background()))
	if err != nil {
		t.Fatal(err)
	}
	if err = validate.Index(index); err != nil {
		t.Error(err)
	}
	got, err := index.Digest()
	if err != nil || got != digest {
		t.Errorf("the registry has %s, %v; built was %s", got, err, digest)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if len(manifest.Manifests) != len(build.ControllerPlatforms()) {
		t.Fatalf("it has %d platforms", len(manifest.Manifests))
	}
	for i, p := range build.ControllerPlatforms() {
		image, err := index.Image(manifest.Manifests[i].Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, image, p)
	}
}

func checkImage(t *testing.T, image v1.Image, p build.Platform) {
	t.Helper()
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != p.OS || config.Architecture != p.Arch || config.Config.User != "65532:65532" || config.Config.Entrypoint[0] != "/controller" {
		t.Errorf("the configuration for %s is %+v", p, config)
	}
	if config.Config.Labels["org.opencontainers.image.version"] != "v1.2.3" || config.Created.Unix() != 1700000000 {
		t.Errorf("%s is labelled %v and made %s", p, config.Config.Labels, config.Created)
	}
	contents, err := io.ReadAll(mutate.Extract(image))
	if err != nil || !strings.Contains(string(contents), "for "+p.String()) {
		t.Errorf("the image for %s doesn't have its program (%v)", p, err)
	}
}

// TestContainerdFindsTheImageByItsName: as Kubernetes completes names, kubectl-fluid/controller is on docker.io.
func TestContainerdFindsTheImageByItsName(t *testing.T) {
	archive, _ := write(t)
	directory := t.TempDir()
	if _, err := Read(archive, directory); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(directory, "index.json"))
	if want := `"io.containerd.image.name": "docker.io/kubectl-fluid/controller:v1.2.3"`; err != nil || !strings.Contains(string(data), want) {
		t.Errorf("the index has no %s: %v\n%s", want, err, data)
	}
}

func TestWriteRefusesANameThatIsNone(t *testing.T) {
	index, err := Index(build.Release{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(t.TempDir(), "x"), index, "UPPER CASE", time.Now()); err == nil {
		t.Error("it was written")
	}
}
