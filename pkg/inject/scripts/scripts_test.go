package scripts

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// withShells runs a test with each shell that images have and that is here.
func withShells(t *testing.T, test func(t *testing.T, shell ...string)) {
	for _, shell := range [][]string{{"sh"}, {"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		t.Run(shell[0], func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(shell[0]); err != nil {
				t.Skip("there is no", shell[0])
			}
			test(t, shell...)
		})
	}
}

// command makes a command that a hung script, or a client that it left behind, can't keep from ending.
func command(t *testing.T, words ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, words[0], words[1:]...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	return c
}

// exitCode returns the exit code of a command that was run.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

func TestAwaitScriptWantsTheExactMountPointTypeAndSubPath(t *testing.T) {
	withShells(t, func(t *testing.T, shell ...string) {
		for _, test := range []struct {
			path, mountType, subPath string
			want                     int
		}{
			{"/proc", "proc", "", 0},
			{"/proc", "proc", "self/mountinfo", 0},
			{"/proc", "fuse.alluxio-fuse", "", 1},
			{"/proc", "proc", "self", 0},
			{"/proc", "proc", "nosuch", 1},
			{"/proc", "proc", "self/root", 1}, // symbolic links that lead out
			{"/proc", "proc", "self/root/etc", 1},
			{"/proc", "proc", "self/root/etc/passwd", 1},
			{"/proc", "proc", "self/exe", 1},
			{"/proc", "proc", "self/cwd/..", 1},
			{"/proc/", "proc", "", 1},
			{"/pro", "proc", "", 1},
			{"/proc/self", "proc", "", 1},
			{"/pr.c", "proc", "", 1},
			{"/*", "proc", "", 1},
			{"/proc", "p*c", "", 1},
			{"/proc", "[p]roc", "", 1},
			{"$(exit 0)", "proc", "", 1},
			{"/proc", "proc", "$(echo self)", 1},
			{"/proc", "proc", "s*", 1},
			{"", "", "", 1},
		} {
			words := append(slices.Clone(shell), "-c", mountedFunction+`fluid_mounted "$1" "$2" "$3"`, "mounted", test.path, test.mountType, test.subPath)
			if got := exitCode(t, command(t, words...).Run()); got != test.want {
				t.Errorf("%q %q %q: exit code %d", test.path, test.mountType, test.subPath, got)
			}
		}
	})
}

func TestAwaitScriptWaitsForAllMounts(t *testing.T) {
	withShells(t, func(t *testing.T, shell ...string) {
		for _, test := range []struct {
			arguments []string
			want      string // what it says is wrong
		}{
			{[]string{"0"}, ""},
			{[]string{"20", "/proc", "proc", ""}, ""},
			{[]string{"20", "/proc", "proc", "self", "/proc", "proc", ""}, ""},
			{[]string{"0", "/proc", "fuse", ""}, "the file system at /proc is proc from proc, and not fuse"},
			{[]string{"0", "/proc", "proc", "nosuch"}, "the file system proc at /proc has no path /nosuch within it, or doesn't answer"},
			{[]string{"0", "/proc", "proc", "self/root/etc"}, "the file system proc at /proc has no path /self/root/etc within it, or doesn't answer"},
			{[]string{"0", "/proc", "proc", "", "/nosuch", "proc", ""}, "nothing is mounted at /nosuch"},
			{[]string{"1", "/pr", "proc", ""}, "nothing is mounted at /pr"},
			{[]string{"0", "$(exit 0)", "proc", ""}, "nothing is mounted at $(exit 0)"},
			{[]string{"0", "/proc", "*", ""}, "the file system at /proc is proc from proc, and not *"},
		} {
			ends := t.TempDir() // where the container's termination message and log are in a pod
			here := strings.NewReplacer("/dev/termination-log", ends+"/message", "/proc/1/fd/2", ends+"/log").Replace(Await())
			got, want, said := exitCode(t, command(t, slices.Concat(shell, []string{"-c", here, "await"}, test.arguments)...).Run()), 0, ""
			if test.want != "" {
				want, said = 1, test.want+" (waited for "+test.arguments[0]+" s)\n"
			}
			message, _ := os.ReadFile(ends + "/message")
			logged, _ := os.ReadFile(ends + "/log")
			if got != want || string(message) != said || string(logged) != said {
				t.Errorf("%q: exit code %d, message %q, log %q", test.arguments, got, message, logged)
			}
		}
		// What comes while it waits is found.
		at := filepath.Join(t.TempDir(), "data")
		if os.Getuid() != 0 {
			t.Skip("mounting takes root")
		}
		const outside = `mkdir -p "$1"; (sleep 1; mount -t tmpfs late "$1") & at=$1; shift; "$@"`
		words := slices.Concat([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", outside, "outside", at},
			shell, []string{"-c", Await(), "await", "20", at, "tmpfs", ""})
		if output, err := command(t, words...).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, output)
		}
	})
}

func TestMasterScriptGivesMastersTheirNamespaceAndNothingElse(t *testing.T) {
	const options = "-Dalluxio.master.embedded.journal.addresses=phy-master-0:19200,phy-master-1:19200,phy-master-10:19200 -Dx=other-phy-master-0:1,phy-master-0.default:2,phy-master-a:3 -Dy=a b$(id)"
	const want = "-Dalluxio.master.embedded.journal.addresses=phy-master-0.default:19200,phy-master-1.default:19200,phy-master-10.default:19200 -Dx=other-phy-master-0:1,phy-master-0.default:2,phy-master-a:3 -Dy=a b$(id)"
	withShells(t, func(t *testing.T, shell ...string) {
		words := slices.Concat(shell, []string{"-c", masters + Supervise(), "supervise", "phy-master-", "default", "/nosuch", "", "", "", "printenv", "ALLUXIO_JAVA_OPTS"})
		script := command(t, words...)
		script.Env = append(os.Environ(), "ALLUXIO_JAVA_OPTS="+options)
		if output, err := script.Output(); err != nil || strings.TrimSpace(string(output)) != want {
			t.Errorf("%v: %s", err, output)
		}
		script = command(t, words...)
		script.Env = []string{"PATH=/nosuch", "ALLUXIO_JAVA_OPTS=kept"}
		script.Args[len(script.Args)-2] = "/usr/bin/printenv"
		if output, err := script.Output(); shell[0] != "busybox" && (err != nil || strings.TrimSpace(string(output)) != "kept") {
			t.Errorf("without sed: %v: %s", err, output)
		}
	})
}

// TestSharedScriptLeavesLiveMountsOfOthersAlone: a client starts and ends on a mount point where another pod's is mounted.
func TestSharedScriptLeavesLiveMountsOfOthersAlone(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting takes root")
	}
	withShells(t, func(t *testing.T, shell ...string) {
		at := t.TempDir()
		const outside = `at=$1; shift; mount -t tmpfs other "$at"; "$@"; grep -c " $at " /proc/self/mountinfo`
		for script, want := range map[string]string{SuperviseShared(): "1\n1\n", Supervise(): "0\n0\n"} {
			words := slices.Concat([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", outside, "outside", at},
				shell, []string{"-c", script, "supervise", at, "", "", "", "sh", "-c", `grep -c " $1 " /proc/self/mountinfo`, "client", at})
			output, _ := command(t, words...).Output() // grep -c fails on 0
			if string(output) != want {
				t.Errorf("mounts while the client runs and after: %q, want %q", output, want)
			}
		}
	})
}

// superviseCommand makes the command of a supervised client.
func superviseCommand(t *testing.T, shell []string, path string, client ...string) *exec.Cmd {
	t.Helper()
	return command(t, slices.Concat(shell, []string{"-c", Supervise(), "supervise", path, "", "", ""}, client)...)
}

func TestSuperviseScriptPassesArgumentsOnAsTheyAre(t *testing.T) {
	arguments := []string{"a b", `"'`, "$(echo no)", "`echo no`", "*", "$HOME", "", "-c", "; exit 9", "\n", `\0`, "--", "日志"}
	withShells(t, func(t *testing.T, shell ...string) {
		output, err := superviseCommand(t, shell, "/nosuch", append([]string{"printf", "<%s>"}, arguments...)...).Output()
		if want := "<" + strings.Join(arguments, "><") + ">"; err != nil || string(output) != want {
			t.Errorf("the client got %q, want %q (%v)", output, want, err)
		}
	})
}

func TestSuperviseScriptLeavesTheEnvironmentAlone(t *testing.T) {
	names := []string{"path", "client", "code", "id", "parent", "device", "root", "at", "rest", "IFS"}
	withShells(t, func(t *testing.T, shell ...string) {
		script := superviseCommand(t, shell, "/nosuch", "env")
		for _, name := range names {
			script.Env = append(script.Env, name+"=kept")
		}
		script.Env = append(script.Env, "PATH="+os.Getenv("PATH"))
		output, err := script.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names[:len(names)-1] {
			if !strings.Contains("\n"+string(output), "\n"+name+"=kept\n") {
				t.Errorf("the client's environment has lost %s:\n%s", name, output)
			}
		}
	})
}

func TestSuperviseScriptPassesTheExitCodeOn(t *testing.T) {
	withShells(t, func(t *testing.T, shell ...string) {
		for client, want := range map[string]int{
			"exit 0": 0, "exit 3": 3, "exit 127": 127, "exit 200": 200, "kill -9 $$": 137, "kill -ABRT $$": 134, "kill -TERM $$": 143,
		} {
			if got := exitCode(t, superviseCommand(t, shell, "/nosuch", "sh", "-c", client).Run()); got != want {
				t.Errorf("%s: exit code %d, want %d", client, got, want)
			}
		}
		if got := exitCode(t, superviseCommand(t, shell, "/nosuch", "/nosuch/client").Run()); got != 127 {
			t.Errorf("a client that isn't there: exit code %d", got)
		}
	})
}

// longRunning is Supervise for clients that seem to have begun long ago.
func longRunning() string {
	return strings.Replace(Supervise(), "fluid_began=$fluid_now", "fluid_began=", 1)
}

// TestSuperviseScriptKeepsCrashesAtTheStartFromTheRestartRule: those get kubelet's back-off, unless they took long.
func TestSuperviseScriptKeepsCrashesAtTheStartFromTheRestartRule(t *testing.T) {
	withShells(t, func(t *testing.T, shell ...string) {
		clock := filepath.Join(t.TempDir(), "uptime")
		if err := os.WriteFile(clock, []byte("1234.56 7.89\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		still := strings.ReplaceAll(Supervise(), "/proc/uptime", clock)
		for _, test := range []struct {
			script, path, anew, client string
			want                       int
		}{
			{still, "/nosuch", "134 137 139", "kill -9 $$", 1},
			{still, "/nosuch", "134 137 139", "kill -ABRT $$", 1},
			{still, "/nosuch", "134 137 139", "exit 7", 7},
			{still, "/nosuch", "", "kill -9 $$", 137},
			{still, "/proc", "134 137 139", "kill -9 $$", 137},
			{longRunning(), "/nosuch", "134 137 139", "kill -9 $$", 137},
		} {
			// Nothing is to be unmounted here.
			words := slices.Concat(shell, []string{"-c", "umount() { return 1; }; " + test.script, "supervise", test.path, "", "", test.anew, "sh", "-c", test.client})
			if got := exitCode(t, command(t, words...).Run()); got != test.want {
				t.Errorf("%s with the rule for %q, mounted at %s: exit code %d, want %d", test.client, test.anew, test.path, got, test.want)
			}
		}
	})
}

func TestSuperviseScriptForwardsTERMAndReturnsTheClientsCode(t *testing.T) {
	const forEver = "; echo TERM; while :; do sleep 0.05; done"
	withShells(t, func(t *testing.T, shell ...string) {
		// The script gets SIGTERM each time that a client says so.
		for client, want := range map[string]int{
			`trap 'exit 7' TERM` + forEver:                                         7,
			`trap 'exit 0' TERM` + forEver:                                         0,
			`trap 'trap "" TERM; echo TERM; sleep 0.3; exit 5' TERM` + forEver:     5,
			`trap 'n=$((n+1)); [ $n -lt 3 ] || exit $n; echo TERM' TERM` + forEver: 3,
			`trap '' TERM; echo TERM; sleep 0.3; exit 143`:                         143,
			`echo TERM; exec sleep 60`:                                             143,
		} {
			if got := exitCodeAfterTERMs(t, superviseCommand(t, shell, "/nosuch", "sh", "-c", client)); got != want {
				t.Errorf("%s: exit code %d, want %d", client, got, want)
			}
		}
	})
}

// TestSuperviseScriptKnowsAnInterruptedWaitFromTheClientsEnd: the client ends while the shell comes back from a wait that
// SIGTERM has interrupted, or has just ended when the signal comes.
func TestSuperviseScriptKnowsAnInterruptedWaitFromTheClientsEnd(t *testing.T) {
	const slow = `turns=; wait() { command wait "$@"; set -- $?; [ "$turns" = xx ] || { turns=x$turns; echo TERM; sleep 0.3; }; return "$1"; }; `
	withShells(t, func(t *testing.T, shell ...string) {
		for client, want := range map[string]int{
			`trap 'exit 7' TERM; echo TERM; while :; do sleep 0.05; done`: 7,
			`exit 5`: 5,
		} {
			script := command(t, slices.Concat(shell, []string{"-c", slow + Supervise(), "supervise", "/nosuch", "", "", "", "sh", "-c", client})...)
			if got := exitCodeAfterTERMs(t, script); got != want {
				t.Errorf("%s: exit code %d, want %d", client, got, want)
			}
		}
	})
}

// exitCodeAfterTERMs runs a command that gets SIGTERM each time that it prints a line.
func exitCodeAfterTERMs(t *testing.T, script *exec.Cmd) int {
	t.Helper()
	output, err := script.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(output); lines.Scan(); {
		if err := script.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	return exitCode(t, script.Wait())
}

// TestSuperviseScriptHearsTERMBeforeTheClientRuns sends the signal while the script takes off old mounts.
func TestSuperviseScriptHearsTERMBeforeTheClientRuns(t *testing.T) {
	withShells(t, func(t *testing.T, shell ...string) {
		// The script's first command here stands for an umount that takes long.
		slow := "umount() { echo ready; sleep 0.3; return 1; }; " + Supervise()
		script := command(t, slices.Concat(shell, []string{"-c", slow, "supervise", "/proc", "", "", "", "sleep", "20"})...)
		output, err := script.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := script.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(output, make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_ = script.Process.Signal(syscall.SIGTERM)
		if got := exitCode(t, script.Wait()); got != 143 || time.Since(start) > 10*time.Second {
			t.Errorf("exit code %d after %v", got, time.Since(start))
		}
	})
}

// TestSuperviseScriptTakesMountsOff stacks two dead mounts, and has a client leave one behind, in a mount namespace of
// its own.
func TestSuperviseScriptTakesMountsOff(t *testing.T) {
	if os.Geteuid() != 0 || exec.Command("unshare", "-m", "true").Run() != nil {
		t.Skip("only root can mount")
	}
	withShells(t, func(t *testing.T, shell ...string) {
		at := filepath.Join(t.TempDir(), "fuse")
		for _, directory := range []string{at, at + "-other"} {
			if err := os.Mkdir(directory, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		const outside = `at=$1; shift
mount -t tmpfs other "$at-other"; mount -t tmpfs stale1 "$at"; mount -t tmpfs stale2 "$at"
"$@"; echo "code $?"
grep -o "$at[^ ]*" /proc/self/mountinfo`
		const client = `grep -c " $1 " /proc/self/mountinfo; mount -t tmpfs client "$1"; grep -c " $1 " /proc/self/mountinfo; exit 4`
		words := slices.Concat([]string{"unshare", "-m", "--propagation", "private", "sh", "-c", outside, "outside", at},
			shell, []string{"-c", Supervise(), "supervise", at, "", "", "", "sh", "-c", client, "client", at})
		script := command(t, words...)
		var errors bytes.Buffer
		script.Stderr = &errors
		output, _ := script.Output()
		if want := "0\n1\ncode 4\n" + at + "-other\n"; string(output) != want {
			t.Errorf("got %q, want %q\n%s", output, want, &errors)
		}
	})
}

// TestSuperviseScriptRemovesThePodsDirectory when nobody will use it again, and nothing else with it.
func TestSuperviseScriptRemovesThePodsDirectory(t *testing.T) {
	withShells(t, func(t *testing.T, shell ...string) {
		for _, test := range []struct {
			name, anew, client string
			file               string // which somebody else has left
			want               []string
		}{
			{"told to end", "", "kill -TERM $PPID; sleep 20", "", []string{"other"}},
			{"told to end, and takes long", "", `trap "sleep 0.3; exit 7" TERM; kill -TERM $PPID; while :; do sleep 0.05; done`, "", []string{"other"}},
			{"crashed, all containers are made anew", "134 137 139", "kill -9 $$", "", []string{"other"}},
			{"crashed, only the sidecar starts again", "", "kill -9 $$", "", []string{"other", "own", "own/a fuse"}},
			{"ended, only the sidecar starts again", "134 137 139", "exit 37", "", []string{"other", "own", "own/a fuse"}},
			{"told to end, with a file on the mount point", "", "kill -TERM $PPID; sleep 20", "own/a fuse/file", []string{"other", "own", "own/a fuse", "own/a fuse/file"}},
			{"told to end, with a file beside the mount point", "", "kill -TERM $PPID; sleep 20", "own/file", []string{"other", "own", "own/file"}},
		} {
			all := t.TempDir()
			for _, directory := range []string{"own", "own/a fuse", "other"} {
				if err := os.Mkdir(filepath.Join(all, directory), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if test.file != "" {
				if err := os.WriteFile(filepath.Join(all, test.file), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			script := command(t, slices.Concat(shell, []string{"-c", longRunning(), "supervise", filepath.Join(all, "own/a fuse"), all, "own/a fuse", test.anew, "sh", "-c", test.client})...)
			exitCode(t, script.Run())
			var left []string
			err := filepath.WalkDir(all, func(path string, _ os.DirEntry, err error) error {
				if path != all {
					left = append(left, strings.TrimPrefix(path, all+"/"))
				}
				return err
			})
			if err != nil || !slices.Equal(left, test.want) {
				t.Errorf("%s: there are %q, want %q (%v)", test.name, left, test.want, err)
			}
		}
	})
}
