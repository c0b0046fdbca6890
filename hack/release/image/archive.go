package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Write writes an image as an OCI archive, under its full name: what containerd, podman and skopeo read.
func Write(path string, index v1.ImageIndex, reference string, date time.Time) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("the image's name: %w", err)
	}
	directory, err := os.MkdirTemp("", "oci")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer os.RemoveAll(directory)
	written, err := layout.Write(directory, empty.Index)
	if err == nil {
		err = written.AppendIndex(index, layout.WithAnnotations(map[string]string{
			"org.opencontainers.image.ref.name": tag.TagStr(),
			// containerd takes the image's whole name from this one only, and calls Docker's registry by its older name.
			"io.containerd.image.name": strings.Replace(tag.Name(), "index.docker.io/", "docker.io/", 1),
		}))
	}
	if err == nil {
		err = pack(path, directory, date)
	}
	if err != nil {
		return fmt.Errorf("writing the image %s as %s: %w", reference, path, err)
	}
	return nil
}

// pack writes the files below a directory as a tar, in order and all of one date.
func pack(path, directory string, date time.Time) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := tar.NewWriter(out)
	err = filepath.WalkDir(directory, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(directory, file)
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(relative), Mode: 0o644, Size: int64(len(data)), ModTime: date.UTC(), Format: tar.FormatUSTAR}
		if err = w.WriteHeader(header); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	return errors.Join(err, w.Close())
}

// Read reads the image of an archive that Write wrote. What it returns reads files of directory, into which it unpacks
// the archive.
func Read(path, directory string) (v1.ImageIndex, error) {
	if err := unpack(path, directory); err != nil {
		return nil, fmt.Errorf("unpacking the image %s: %w", path, err)
	}
	all, err := layout.ImageIndexFromPath(directory)
	if err != nil {
		return nil, fmt.Errorf("reading the image %s: %w", path, err)
	}
	manifest, err := all.IndexManifest()
	if err != nil {
		return nil, fmt.Errorf("reading the image %s: %w", path, err)
	}
	if n := len(manifest.Manifests); n != 1 {
		return nil, fmt.Errorf("reading the image %s: it has %d images, not one", path, n)
	}
	return all.ImageIndex(manifest.Manifests[0].Digest)
}

func unpack(path, directory string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	r := tar.NewReader(in)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("%q leads out of the archive", header.Name)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		file := filepath.Join(directory, filepath.FromSlash(header.Name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, data, 0o644)); err != nil {
			return err
		}
	}
}

// Push sends the image of an archive to a registry under a full name, with the credentials that docker login left.
func Push(ctx context.Context, path, reference string) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return fmt.Errorf("the image's name: %w", err)
	}
	directory, err := os.MkdirTemp("", "oci")
	if err != nil {
		return fmt.Errorf("sending the image %s: %w", path, err)
	}
	defer os.RemoveAll(directory)
	index, err := Read(path, directory)
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(tag, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("sending the image %s to %s: %w", path, tag.Name(), err)
	}
	return nil
}
