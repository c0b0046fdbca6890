// Package image makes the image of the controller and the node plugin without a container engine: an OCI image of static
// programs and their licenses, which runs as nobody unless told otherwise. The same programs make the same image.
package image

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/license"
)

// user is the one that the program runs as: no system gives it to anybody.
const user = "65532:65532"

// Programs returns the names of the programs in the image, which are those of their files at its root: the controller,
// which it runs, the node plugin, and what that delivers into sidecars.
func Programs() []string { return []string{"controller", "node", "fluid-fuse"} }

// Packages returns the main packages of Programs, relative to the source's root.
func Packages() []string {
	var packages []string
	for _, name := range Programs() {
		packages = append(packages, "./cmd/"+name)
	}
	return packages
}

// Program has the executables for one platform, by their names.
type Program struct {
	Platform build.Platform
	Files    map[string]string
}

// Index returns the image of the controller for the platforms of programs. Files, path in the image to contents, are
// added to each.
func Index(release build.Release, programs []Program, files map[string][]byte) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, program := range programs {
		image, err := forPlatform(release, program, files)
		if err != nil {
			return nil, fmt.Errorf("making the image for %s: %w", program.Platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: program.Platform.OS, Architecture: program.Platform.Arch},
		}})
	}
	return index, nil
}

func forPlatform(release build.Release, program Program, files map[string][]byte) (v1.Image, error) {
	executables := map[string][]byte{}
	for name, file := range program.Files {
		executable, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		executables["/"+name] = executable
	}
	contents, err := layer(release.Date, executables, files)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(contents)), nil }
	compressed, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, compressed)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, &v1.ConfigFile{
		OS: program.Platform.OS, Architecture: program.Platform.Arch,
		Created: v1.Time{Time: release.Date.UTC()},
		RootFS:  config.RootFS,
		Config: v1.Config{
			Entrypoint: []string{"/controller"}, User: user, WorkingDir: "/",
			Labels: map[string]string{
				"org.opencontainers.image.title":    "kubectl-fluid-controller",
				"org.opencontainers.image.source":   "https://" + build.Module,
				"org.opencontainers.image.version":  release.Version,
				"org.opencontainers.image.revision": release.Commit,
				"org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
	})
}

// layer returns the image's file system as a tar.
func layer(date time.Time, executables, files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	add := func(name string, mode int64, data []byte) error {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(name, "/"), Mode: mode, Size: int64(len(data)), ModTime: date.UTC(), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(executables)) {
		if err := add(name, 0o755, executables[name]); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := add(name, 0o644, files[name]); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Compile compiles the image's programs for platforms, below a directory.
func Compile(ctx context.Context, release build.Release, platforms []build.Platform, directory string) ([]Program, error) {
	var programs []Program
	for _, p := range platforms {
		files := map[string]string{}
		for _, name := range Programs() {
			file, err := release.Program(ctx, name, p, filepath.Join(directory, p.OS, p.Arch))
			if err != nil {
				return nil, err
			}
			files[name] = file
		}
		programs = append(programs, Program{Platform: p, Files: files})
	}
	return programs, nil
}

// Pack writes the image of programs as an OCI archive under its full name, and returns the digest of the image.
func Pack(ctx context.Context, release build.Release, programs []Program, reference, archive string) (v1.Hash, error) {
	var platforms []build.Platform
	for _, program := range programs {
		platforms = append(platforms, program.Platform)
	}
	modules, err := license.Modules(ctx, release.Source, platforms, Packages()...)
	if err != nil {
		return v1.Hash{}, err
	}
	text, err := os.ReadFile(filepath.Join(release.Source, "LICENSE"))
	if err != nil {
		return v1.Hash{}, fmt.Errorf("building the image: %w", err)
	}
	index, err := Index(release, programs, map[string][]byte{"/LICENSE": text, "/THIRD_PARTY_NOTICES": license.Notices(modules)})
	if err != nil {
		return v1.Hash{}, err
	}
	if err := Write(archive, index, reference, release.Date); err != nil {
		return v1.Hash{}, err
	}
	return index.Digest()
}
