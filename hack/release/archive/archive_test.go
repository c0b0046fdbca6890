package archive

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestTheSameFilesMakeTheSameBytes: where the files are, when they were changed and in which order they are given
// doesn't matter.
func TestTheSameFilesMakeTheSameBytes(t *testing.T) {
	date := time.Date(2026, 2, 3, 4, 5, 6, 0, time.FixedZone("CET", 3600))
	for _, name := range []string{"a.tar.gz", "a.zip"} {
		var archives [2][]byte
		for i := range archives {
			directory := t.TempDir()
			var files []File
			for _, file := range []string{"LICENSE", "program"} {
				source := filepath.Join(directory, file)
				if err := os.WriteFile(source, []byte("contents of "+file), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(source, time.Time{}, time.Unix(int64(1000*i), 0)); err != nil {
					t.Fatal(err)
				}
				files = append([]File{{Name: file, Source: source, Executable: file == "program"}}, files...)
			}
			if i == 1 {
				files[0], files[1] = files[1], files[0]
			}
			path := filepath.Join(directory, name)
			if err := Write(path, date, files); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			archives[i] = data
		}
		if !bytes.Equal(archives[0], archives[1]) {
			t.Errorf("two %s differ", name)
		}
	}
}

// TestOtherProgramsReadTheArchives lists a tar.gz with the system's tar, and a zip by its modes.
func TestOtherProgramsReadTheArchives(t *testing.T) {
	directory := t.TempDir()
	source := filepath.Join(directory, "source")
	if err := os.WriteFile(source, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := []File{{Name: "program", Source: source, Executable: true}, {Name: "LICENSE", Source: source}}
	date := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	tarball, zipped := filepath.Join(directory, "a.tar.gz"), filepath.Join(directory, "a.zip")
	for _, path := range []string{tarball, zipped} {
		if err := Write(path, date, files); err != nil {
			t.Fatal(err)
		}
	}
	r, err := zip.OpenReader(zipped)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if mode := r.File[1].Mode().String(); r.File[1].Name != "program" || mode != "-rwxr-xr-x" || !r.File[1].Modified.Equal(date) {
		t.Errorf("the zip has %s, %s, %s", r.File[1].Name, mode, r.File[1].Modified)
	}
	if _, err = exec.LookPath("tar"); err != nil {
		t.Skip("there is no tar on this machine")
	}
	output, err := exec.Command("tar", "--utc", "--full-time", "-tvzf", tarball).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for _, want := range []string{"-rw-r--r-- 0/0", "-rwxr-xr-x 0/0", "2026-02-03 04:05:06"} {
		if !strings.Contains(string(output), want) {
			t.Errorf("tar lists\n%s\nwithout %q", output, want)
		}
	}
}

func TestAMissingFileIsAnError(t *testing.T) {
	for _, name := range []string{"a.tar.gz", "a.zip"} {
		if err := Write(filepath.Join(t.TempDir(), name), time.Now(), []File{{Name: "x", Source: "/nowhere"}}); err == nil {
			t.Errorf("%s was written without its file", name)
		}
	}
}
