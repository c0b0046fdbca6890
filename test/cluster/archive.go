package cluster

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// writeArchive writes an image of one layer as a docker-archive. The same
// contents always make the same archive.
func writeArchive(file string, image Image, root rootfs) error {
	tag, err := name.NewTag(image.Name)
	if err != nil {
		return fmt.Errorf("the image's name: %w", err)
	}
	layerFile := filepath.Join(filepath.Dir(file), "layer.tar")
	if err := writeLayer(layerFile, root); err != nil {
		return fmt.Errorf("write the layer of the image: %w", err)
	}
	// Not compressed: it only goes to this machine's containerd.
	layer, err := tarball.LayerFromFile(layerFile, tarball.WithCompression(compression.None))
	if err != nil {
		return fmt.Errorf("read the layer of the image: %w", err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return fmt.Errorf("add the layer to the image: %w", err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("read the configuration of the image: %w", err)
	}
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, image.Env...)
	img, err = mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: runtime.GOARCH,
		OS:           "linux",
		RootFS:       config.RootFS,
		Config:       v1.Config{Entrypoint: image.Entrypoint, Cmd: image.Cmd, Env: env},
	})
	if err != nil {
		return fmt.Errorf("configure the image: %w", err)
	}
	if err := tarball.WriteToFile(file, tag, img); err != nil {
		return fmt.Errorf("write the archive of the image: %w", err)
	}
	return nil
}

// writeLayer writes a file system as a tar, sorted and without times, so that
// it is the same each time.
func writeLayer(file string, root rootfs) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	w := tar.NewWriter(f)
	for _, name := range root.names() {
		if err := writeTarEntry(w, name, root[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return w.Close()
}

func writeTarEntry(w *tar.Writer, name string, e entry) error {
	header := &tar.Header{Name: strings.TrimPrefix(name, "/"), Mode: tarMode(e.mode), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	switch {
	case e.mode.IsDir():
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		return w.WriteHeader(header)
	case e.mode&fs.ModeSymlink != 0:
		header.Typeflag, header.Linkname = tar.TypeSymlink, e.target
		return w.WriteHeader(header)
	case !e.mode.IsRegular():
		return fmt.Errorf("an image can't hold a file of the type %s", e.mode.Type())
	}
	header.Typeflag, header.Size = tar.TypeReg, int64(len(e.content))
	if e.source == "" {
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		_, err := w.Write(e.content)
		return err
	}
	f, err := os.Open(e.source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// tarMode returns the permissions with the bits that fs.FileMode keeps elsewhere.
func tarMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	for flag, bit := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}
