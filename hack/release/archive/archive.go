// Package archive writes the archives of a release: the same files make the same bytes.
package archive

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// File is a file of an archive.
type File struct {
	// Name is its path in the archive, with slashes.
	Name string
	// Source is where it is on this machine.
	Source string
	// Executable gives it the mode 0755 instead of 0644.
	Executable bool
}

func (f File) mode() int64 {
	if f.Executable {
		return 0o755
	}
	return 0o644
}

// Write writes an archive, a zip or a tar.gz as its name says. All files get the time date, and nothing of their owners.
func Write(path string, date time.Time, files []File) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing an archive: %w", err)
	}
	defer func() {
		if closeErr := out.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("writing %s: %w", path, closeErr)
		}
	}()
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	write := writeTar
	if strings.HasSuffix(path, ".zip") {
		write = writeZip
	}
	if err := write(out, date.UTC(), files); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

func writeTar(out io.Writer, date time.Time, files []File) error {
	compressed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(compressed)
	for _, file := range files {
		data, err := os.ReadFile(file.Source)
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: file.Name, Mode: file.mode(), Size: int64(len(data)), ModTime: date, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

func writeZip(out io.Writer, date time.Time, files []File) error {
	w := zip.NewWriter(out)
	for _, file := range files {
		data, err := os.ReadFile(file.Source)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: file.Name, Method: zip.Deflate, Modified: date}
		header.SetMode(os.FileMode(file.mode()))
		entry, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(data); err != nil {
			return err
		}
	}
	return w.Close()
}
