// Package golden compares what tests get with files that a person has looked at.
package golden

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Compare compares a text with a file; with -update it writes the file instead.
func Compare(t testing.TB, path string, got []byte) {
	t.Helper()
	if *update {
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, got, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) || err != nil {
		t.Errorf("it isn't %s; go test -update writes the file anew, and git diff shows what has changed. Got:\n%s", path, got)
	}
}

// Updating reports whether golden files are written, for a test that has files to remove.
func Updating() bool { return *update }
