// Package dist puts a release together: everything that is published, in one directory.
package dist

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/archive"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/bom"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/image"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/krew"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/license"
)

// The names of files of a release.
const (
	KrewManifest = "krew-manifest.yaml"
	Checksums    = "checksums.txt"
	Materials    = "materials.spdx.json"
	Provenance   = "provenance.json"
	notices      = "THIRD_PARTY_NOTICES"
)

// Options say what to put together.
type Options struct {
	build.Release
	// Platforms are those of the plugin.
	Platforms []build.Platform
	// Controllers are the controller's programs, which are in the image.
	Controllers []image.Program
	// Directory gets the files. Those that are there already, such as manifests, are part of the release.
	Directory string
	// BaseURL is where the files will be for download.
	BaseURL string
	// Out is told what is going on.
	Out io.Writer
}

// digestedFile is a file of the release.
type digestedFile struct {
	name, sha256 string
}

// Make puts a release together. Krew can install what it made: it has tried that for every platform.
func Make(ctx context.Context, o Options) error {
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		return fmt.Errorf("making a release: %w", err)
	}
	defer os.RemoveAll(work)
	if err = os.MkdirAll(o.Directory, 0o755); err != nil {
		return fmt.Errorf("making a release: %w", err)
	}
	modules, err := license.Modules(ctx, o.Source, o.allPlatforms(), append(image.Packages(), "./cmd/kubectl-fluid")...)
	if err != nil {
		return err
	}
	noticesFile := filepath.Join(work, notices)
	if err = os.WriteFile(noticesFile, license.Notices(modules), 0o644); err != nil {
		return fmt.Errorf("making a release: %w", err)
	}
	programs, files, err := o.archives(ctx, work, noticesFile)
	if err != nil {
		return err
	}
	if err = o.krewManifest(ctx, work, files); err != nil {
		return err
	}
	materials, err := bom.Document(o.Release, programs, modules)
	if err != nil {
		return err
	}
	if err := o.write(Materials, materials); err != nil {
		return err
	}
	return o.describe()
}

// archives builds the plugin for all platforms and packs it with its licenses.
func (o Options) archives(ctx context.Context, work, noticesFile string) ([]bom.Program, map[build.Platform]string, error) {
	var programs []bom.Program
	digests := map[build.Platform]string{}
	for _, p := range o.Platforms {
		fmt.Fprintf(o.Out, "Building kubectl-fluid for %s ...\n", p)
		executable, err := o.Program(ctx, "kubectl-fluid", p, filepath.Join(work, p.OS, p.Arch))
		if err != nil {
			return nil, nil, err
		}
		programs = append(programs, bom.Program{Name: "kubectl-fluid " + p.String(), File: executable})
		name := krew.ArchiveName(o.Version, p)
		err = archive.Write(filepath.Join(o.Directory, name), o.Date, []archive.File{
			{Name: filepath.Base(executable), Source: executable, Executable: true},
			{Name: "LICENSE", Source: filepath.Join(o.Source, "LICENSE")},
			{Name: notices, Source: noticesFile},
		})
		if err != nil {
			return nil, nil, err
		}
		if digests[p], err = o.sha256(name); err != nil {
			return nil, nil, err
		}
	}
	for _, built := range o.Controllers {
		for _, name := range image.Programs() {
			programs = append(programs, bom.Program{Name: name + " " + built.Platform.String(), File: built.Files[name]})
		}
	}
	return programs, digests, nil
}

// krewManifest fills in the manifest of the source tree and lets krew itself try it, on each platform.
func (o Options) krewManifest(ctx context.Context, work string, digests map[build.Platform]string) error {
	template, err := os.ReadFile(filepath.Join(o.Source, KrewManifest))
	if err != nil {
		return fmt.Errorf("making %s: %w", KrewManifest, err)
	}
	manifest, err := krew.Fill(template, o.Release, o.BaseURL, o.Platforms, digests)
	if err != nil {
		return err
	}
	if err = o.write(KrewManifest, manifest); err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "Trying krew with %s ...\n", KrewManifest)
	program, err := krew.Build(ctx, o.Source, work)
	if err != nil {
		return err
	}
	file := filepath.Join(o.Directory, KrewManifest)
	for _, p := range o.Platforms {
		root, err := os.MkdirTemp(work, "krew")
		if err != nil {
			return fmt.Errorf("trying %s: %w", KrewManifest, err)
		}
		if err := program.Install(ctx, root, p, file, filepath.Join(o.Directory, krew.ArchiveName(o.Version, p))); err != nil {
			return err
		}
	}
	return nil
}

// allPlatforms are those of the plugin and of the controller.
func (o Options) allPlatforms() []build.Platform {
	all := slices.Clone(o.Platforms)
	for _, controller := range o.Controllers {
		if !slices.Contains(all, controller.Platform) {
			all = append(all, controller.Platform)
		}
	}
	return all
}

// describe writes the checksums of all files, and where they come from.
func (o Options) describe() error {
	entries, err := os.ReadDir(o.Directory)
	if err != nil {
		return fmt.Errorf("describing the release: %w", err)
	}
	var files []digestedFile
	var checksums strings.Builder
	for _, entry := range entries {
		if name := entry.Name(); name != Checksums && name != Provenance {
			file := digestedFile{name: name}
			if file.sha256, err = o.sha256(name); err != nil {
				return err
			}
			files = append(files, file)
			fmt.Fprintf(&checksums, "%s  %s\n", file.sha256, name)
		}
	}
	statement, err := provenanceOf(o.Release, runtime.Version(), files)
	if err != nil {
		return err
	}
	return errors.Join(o.write(Checksums, []byte(checksums.String())), o.write(Provenance, statement))
}

func (o Options) write(name string, data []byte) error {
	if err := os.WriteFile(filepath.Join(o.Directory, name), data, 0o644); err != nil {
		return fmt.Errorf("writing a file of the release: %w", err)
	}
	return nil
}

// sha256 returns the digest of a file of the release in lower case.
func (o Options) sha256(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(o.Directory, name))
	if err != nil {
		return "", fmt.Errorf("reading a file of the release: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data)), nil
}
