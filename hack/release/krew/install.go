package krew

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// Install installs the plugin from an archive into root, krew's directory (KREW_ROOT), as krew 0.4 does it with
// --archive: it verifies the digest, unpacks, takes Files, wants Bin among them and links it into root/bin. It returns
// the path of the link.
func (m Manifest) Install(p Platform, archive, root string) (string, error) {
	data, err := os.ReadFile(archive)
	if err != nil {
		return "", fmt.Errorf("installing %s: %w", archive, err)
	}
	if digest := fmt.Sprintf("%x", sha256.Sum256(data)); digest != p.SHA256 {
		return "", fmt.Errorf("installing %s: its SHA-256 is %s, the manifest says %s", archive, digest, p.SHA256)
	}
	staging, err := os.MkdirTemp("", "krew-downloads")
	if err != nil {
		return "", fmt.Errorf("installing %s: %w", archive, err)
	}
	defer os.RemoveAll(staging)
	// krew looks at the contents, not at the name.
	unpack := unpackTar
	if http.DetectContentType(data) == "application/zip" {
		unpack = unpackZip
	}
	if err := unpack(archive, staging); err != nil {
		return "", fmt.Errorf("unpacking %s: %w", archive, err)
	}
	store := filepath.Join(root, "store", m.Metadata.Name, m.Spec.Version)
	for _, operation := range p.Files {
		if err := operation.move(staging, store); err != nil {
			return "", fmt.Errorf("installing %s: %w", archive, err)
		}
	}
	executable := filepath.Join(store, filepath.FromSlash(p.Bin))
	if info, err := os.Stat(executable); err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", errors.Join(fmt.Errorf("installing %s: bin %s isn't an executable file among those taken from it", archive, p.Bin), err)
	}
	link := filepath.Join(root, "bin", "kubectl-"+strings.ReplaceAll(m.Metadata.Name, "-", "_"))
	if p.Selector.MatchLabels["os"] == "windows" {
		link += ".exe"
	}
	return link, errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink(executable, link))
}

// move moves what From matches below from into the directory To below to.
func (f FileOperation) move(from, to string) error {
	found, err := filepath.Glob(filepath.Join(from, filepath.FromSlash(f.From)))
	if err != nil || len(found) == 0 {
		return errors.Join(fmt.Errorf("nothing in the archive matches %q", f.From), err)
	}
	directory := filepath.Join(to, filepath.FromSlash(f.To))
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return err
	}
	for _, file := range found {
		if err := os.Rename(file, filepath.Join(directory, filepath.Base(file))); err != nil {
			return err
		}
	}
	return nil
}

func unpackTar(archive, directory string) error {
	in, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer in.Close()
	uncompressed, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	r := tar.NewReader(uncompressed)
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		// krew knows two kinds of entries, and the product needs one.
		if header.Typeflag != tar.TypeReg {
			return fmt.Errorf("%s has the type %q, which isn't that of a regular file", header.Name, header.Typeflag)
		}
		if err := unpackFile(directory, header.Name, header.FileInfo().Mode(), r); err != nil {
			return err
		}
	}
}

func unpackZip(archive, directory string) error {
	r, err := zip.OpenReader(archive)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, file := range r.File {
		in, err := file.Open()
		if err != nil {
			return err
		}
		if err := errors.Join(unpackFile(directory, file.Name, file.Mode(), in), in.Close()); err != nil {
			return err
		}
	}
	return nil
}

func unpackFile(directory, name string, mode fs.FileMode, in io.Reader) error {
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q leads out of the archive", name)
	}
	file := filepath.Join(directory, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
