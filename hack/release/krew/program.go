package krew

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// Program is krew itself.
type Program struct {
	file string
}

// Build compiles krew, as the source tree's hack/krew pins it, into a directory.
func Build(ctx context.Context, source, directory string) (Program, error) {
	p := Program{filepath.Join(directory, "kubectl-krew")}
	command := exec.CommandContext(ctx, "go", "build", "-o", p.file, "sigs.k8s.io/krew/cmd/krew")
	command.Dir, command.Env = filepath.Join(source, "hack", "krew"), build.Environment(build.Host())
	if output, err := command.CombinedOutput(); err != nil {
		return Program{}, fmt.Errorf("building krew: %w\n%s", err, output)
	}
	return p, nil
}

// Install checks the manifest and installs the plugin from an archive into root, krew's directory, as krew does on
// machines of a platform.
func (p Program) Install(ctx context.Context, root string, platform build.Platform, manifest, archive string) error {
	return p.Run(ctx, root, []string{"KREW_OS=" + platform.OS, "KREW_ARCH=" + platform.Arch}, "install", "--manifest="+manifest, "--archive="+archive)
}

// Run runs a command of krew, whose directory is root, with more variables in its environment.
func (p Program) Run(ctx context.Context, root string, environment []string, args ...string) error {
	command := exec.CommandContext(ctx, p.file, args...)
	command.Env = append(append(os.Environ(), "KREW_ROOT="+root), environment...)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("krew %s with %q: %w\n%s", strings.Join(args, " "), environment, err, output)
	}
	return nil
}
