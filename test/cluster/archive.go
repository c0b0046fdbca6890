package cluster

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// writeArchive writes an image of one layer as docker save does. The same contents always make the same archive.
func writeArchive(file string, image Image, root rootfs) error {
	// Not compressed: it only goes to this machine's containerd.
	layer := filepath.Join(filepath.Dir(file), "layer.tar")
	digest, err := writeLayer(layer, root)
	if err != nil {
		return fmt.Errorf("write the layer of the image: %w", err)
	}
	config, err := image.configuration(digest)
	if err != nil {
		return fmt.Errorf("encode the configuration of the image: %w", err)
	}
	configName := fmt.Sprintf("%x.json", sha256.Sum256(config))
	manifest, err := json.Marshal([]any{map[string]any{"Config": configName, "RepoTags": []string{image.Name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return fmt.Errorf("encode the manifest of the image: %w", err)
	}
	err = writeTar(file, rootfs{
		"/" + configName: {mode: 0o644, content: config},
		"/layer.tar":     {mode: 0o644, source: layer},
		"/manifest.json": {mode: 0o644, content: manifest},
	})
	if err != nil {
		return fmt.Errorf("write the archive of the image: %w", err)
	}
	return nil
}

// configuration returns the image's configuration by the specification of OCI images v1.1: how to run it, and the digest of
// its only layer.
func (i Image) configuration(layer string) ([]byte, error) {
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, i.Env...)
	return json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": i.Entrypoint, "Cmd": i.Cmd, "Env": env},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{layer}},
	})
}

// writeLayer writes a file system as a tar and returns its digest.
func writeLayer(file string, root rootfs) (string, error) {
	if err := writeTar(file, root); err != nil {
		return "", err
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil)), nil
}

// writeTar writes a file system as a tar, sorted and without times, so that
// it is the same each time.
func writeTar(file string, root rootfs) (err error) {
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
	if err = w.WriteHeader(header); err != nil {
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
