// Package build compiles the programs of a release, the same bytes wherever and whenever they are compiled.
package build

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Module is this project's Go module; its name is also where its source and its releases are.
const Module = "github.com/kubectl-fluid/kubectl-fluid"

// Release is what a build is made from.
type Release struct {
	// Source is the root of the source tree.
	Source string
	// Version is the release's, as in v1.2.3.
	Version string
	// Commit is the source's in git, "unknown" outside a checkout.
	Commit string
	// Date is the commit's. Everything in a release that has a time has this one.
	Date time.Time
}

// Platform is an operating system and a processor architecture by Go's names, which are krew's and those of images too.
type Platform struct {
	OS, Arch string
}

func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Host is the platform of this machine.
func Host() Platform { return Platform{runtime.GOOS, runtime.GOARCH} }

// PluginPlatforms returns the platforms that krew itself is released for: the plugin is built for each of them.
func PluginPlatforms() []Platform {
	return []Platform{
		{"darwin", "amd64"}, {"darwin", "arm64"},
		{"linux", "amd64"}, {"linux", "arm"}, {"linux", "arm64"}, {"linux", "ppc64le"}, {"linux", "s390x"},
		{"windows", "amd64"}, {"windows", "arm64"},
	}
}

// ControllerPlatforms returns the platforms of the controller's image.
func ControllerPlatforms() []Platform {
	return []Platform{{"linux", "amd64"}, {"linux", "arm64"}}
}

// Executable returns the file name of a program on the platform.
func (p Platform) Executable(program string) string {
	if p.OS == "windows" {
		return program + ".exe"
	}
	return program
}

// Program compiles ./cmd/<program> for a platform into a directory and returns the path of the executable. It is
// static, and depends on nothing but the release, the modules and the version of Go.
func (r Release) Program(ctx context.Context, program string, p Platform, directory string) (string, error) {
	file := filepath.Join(directory, p.Executable(program))
	flags := fmt.Sprintf("-s -w -X main.version=%s -X main.commit=%s -X main.date=%s", r.Version, r.Commit, r.Date.UTC().Format(time.RFC3339))
	// What git says is in the flags; -buildvcs would add whether there are other files in the checkout.
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", file, "./cmd/"+program)
	command.Dir, command.Env = r.Source, Environment(p)
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s for %s in %s: %w\n%s", program, p, r.Source, err, output)
	}
	return file, nil
}

// Environment is this process's environment for building for a platform, without what would change the result.
func Environment(p Platform) []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		for _, prefix := range []string{"GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=", "GOARM", "GOPPC64=", "GOFIPS140="} {
			if strings.HasPrefix(variable, prefix) {
				return true
			}
		}
		return false
	})
	return append(env, "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Arch, "GOWORK=off")
}
