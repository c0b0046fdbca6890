package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// EnsurePackages installs those of the Debian packages names that the machine
// lacks, and removes none for it. It needs root only if one is missing.
func EnsurePackages(ctx context.Context, out io.Writer, names ...string) error {
	if _, err := lookPath("dpkg-query"); err != nil {
		return fmt.Errorf("check for the Debian packages %q: %w; this machine is no Debian or Ubuntu: provide by other means what these packages contain", names, err)
	}
	missing := missingPackages(ctx, names)
	if len(missing) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("install the missing Debian packages %q: this needs root; install them with: sudo apt-get install --no-install-recommends %s",
			missing, strings.Join(missing, " "))
	}
	fmt.Fprintf(out, "Installing %s ...\n", strings.Join(missing, ", "))
	started := time.Now()
	if err := aptGet(ctx, "update"); err != nil {
		return err
	}
	// --no-remove: rather fail than replace, say, another vendor's containerd.
	if err := aptGet(ctx, append([]string{"install", "--yes", "--no-install-recommends", "--no-remove"}, missing...)...); err != nil {
		return err
	}
	fmt.Fprintf(out, "Installed %s in %s.\n", strings.Join(missing, ", "), since(started))
	return nil
}

func missingPackages(ctx context.Context, names []string) []string {
	var missing []string
	for _, name := range names {
		status, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat=${db:Status-Status}", name).Output()
		if err != nil || string(status) != "installed" {
			missing = append(missing, name)
		}
	}
	return missing
}

// aptPatience is how long another apt-get may hold a lock: one of another test,
// or of the machine's own updates.
const aptPatience = 2 * time.Minute

func aptGet(ctx context.Context, args ...string) error {
	return whileLocked(ctx, aptPatience, func() error {
		_, err := command(ctx, "", "apt-get", append([]string{"--quiet"}, args...)...)
		return err
	})
}

// whileLocked calls apt until it doesn't fail for a lock of another one any
// more. apt-get can wait itself, but not for the lock of the lists of packages.
func whileLocked(ctx context.Context, patience time.Duration, apt func() error) error {
	for end := time.Now().Add(patience); ; {
		err := apt()
		if err == nil || !strings.Contains(err.Error(), "Could not get lock") || time.Now().After(end) {
			return err
		}
		if sleep(ctx, 500*time.Millisecond) != nil {
			return err
		}
	}
}

// command runs a program of the machine and returns its standard output. The
// error quotes the end of what the program printed.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	path, err := lookPath(name)
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+systemPath(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), ctx.Err())
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w; it printed:\n%s", strings.Join(cmd.Args, " "), err, lastLines(stdout.String()+stderr.String(), 10))
	}
	return stdout.String(), nil
}
