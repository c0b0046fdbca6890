package cluster

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

const modulePath = "github.com/kubectl-fluid/kubectl-fluid"

// SourceRoot returns the root of this module's source tree, which holds
// hack/tools and examples/images. It looks upwards from the working directory
// ("go test" and "go run" are inside the tree), then from the place where this
// file was when it was compiled.
func SourceRoot() (string, error) {
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			if isSourceRoot(dir) {
				return dir, nil
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", fmt.Errorf("look for the source tree of %s, upwards from %q: no go.mod of that module found; "+
		"run this inside a checkout of the repository", modulePath, starts)
}

func isSourceRoot(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return false
	}
	for line := range bytes.Lines(data) {
		if string(bytes.TrimSpace(line)) == "module "+modulePath {
			return true
		}
	}
	return false
}
