//go:build linux

package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests mount real FUSE file systems, in a mount namespace of their own: the machine has none of them, and whatever a
// test leaves behind goes with the last process in it. The test's executable also plays the others: see the roles.
const (
	roleVariable = "NODE_TEST_ROLE"
	roleTests    = "tests"
	rolePlugin   = "plugin"
	roleSidecar  = "sidecar"
	roleClient   = "client"
	roleApp      = "app"
)

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(roleVariable) {
	case "":
		if os.Getuid() != 0 || isFuzzing() {
			os.Exit(m.Run())
		}
		os.Exit(inNamespace())
	case roleTests:
		if err = errorsJoin(prepareNamespace(), copySelf()); err == nil {
			os.Exit(m.Run())
		}
	case rolePlugin:
		err = playPlugin()
	case roleSidecar:
		err = playSidecar(os.Args[1:])
	case roleClient:
		err = playClient(os.Args[1:])
	case roleApp:
		err = playApp(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, os.Getenv(roleVariable)+":", err)
		os.Exit(1)
	}
}

// isFuzzing reports whether this is go test -fuzz, which starts this executable itself, and mounts nothing.
func isFuzzing() bool {
	return slices.ContainsFunc(os.Args, func(a string) bool {
		return strings.HasPrefix(a, "-test.fuzz") && !strings.HasPrefix(a, "-test.fuzzcachedir")
	})
}

// needRoot skips a test that mounts.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getenv(roleVariable) != roleTests {
		t.Skip("mounting needs root, and a namespace of the tests' own")
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Fatalf("the machine has no FUSE: %v", err)
	}
}

// play returns a command that runs this executable in a role.
func play(role string, arguments ...string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", arguments...)
	c.Env = append(without(os.Environ(), roleVariable), roleVariable+"="+role)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return c
}

func without(environment []string, variable string) []string {
	var out []string
	for _, v := range environment {
		if !strings.HasPrefix(v, variable+"=") {
			out = append(out, v)
		}
	}
	return out
}

// inNamespace runs the tests in a mount namespace of their own.
func inNamespace() int {
	c := play(roleTests, os.Args[1:]...)
	c.SysProcAttr.Unshareflags = unix.CLONE_NEWNS
	c.SysProcAttr.Pdeathsig = 0
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// prepareNamespace makes room for the paths in a container, and for kubelet's directory, which is shared as on a node.
func prepareNamespace() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, directory := range []string{"/run", "/mnt"} {
		if err := unix.Mount("tests", directory, "tmpfs", 0, "size=64m"); err != nil {
			return err
		}
	}
	for _, directory := range []string{"/run/kubectl-fluid/broker", "/mnt/kubelet", "/mnt/hidden", "/mnt/data"} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	if err := unix.Mount("kubelet", "/mnt/kubelet", "tmpfs", 0, "size=64m"); err != nil {
		return err
	}
	return unix.Mount("", "/mnt/kubelet", "", unix.MS_SHARED, "")
}
