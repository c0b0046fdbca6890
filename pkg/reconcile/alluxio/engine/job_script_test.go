package engine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shell is a stand-in for Alluxio's shell: it writes its arguments down, one a line, and does what its path says.
const shell = `#!/bin/sh
for word in "$@"; do printf '%s\n' "$word"; done >>"$CALLS"
echo -- >>"$CALLS"
case "$*" in
  *hangs*) exec sleep 60 ;;
  *fails*) echo "INFO a line of a log"; echo; echo "HTTP 403 for $KEY at  https://origin/$KEY: Forbidden"; exit 1 ;;
  *long*) i=0; while [ $i -lt 400 ]; do echo "a line of a very long stack trace $i"; i=$((i + 1)); done; echo the end; exit 255 ;;
  *count*) echo "File Count               Folder Count             Folder Size"; echo "12                       3                        268435456" ;;
esac
`

// runScript runs the Job's script and returns the termination message, the calls of Alluxio's shell and the exit code.
func runScript(t *testing.T, limit int, key string, operations ...Operation) (message string, calls [][]string, code int) {
	t.Helper()
	directory := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		file := filepath.Join(directory, name)
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	alluxio := write("alluxio", shell, 0o755)
	secret := write("key", key, 0o600)
	args := []string{"-c", jobScript, "job", fmt.Sprint(limit), "-Da=1 -Db=2"}
	for i, operation := range operations {
		if i > 0 {
			args = append(args, ";")
		}
		args = append(append(args, operation.Verb, operation.Path), operation.Words...)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "SECRET", secret)
	}
	command := exec.Command("/bin/sh", args...)
	command.Env = append(os.Environ(), "MESSAGE="+filepath.Join(directory, "message"), "ALLUXIO="+alluxio, "TMPDIR="+directory,
		"CALLS="+filepath.Join(directory, "calls"), "KEY="+strings.TrimRight(key, "\n"))
	output, err := command.CombinedOutput()
	if len(output) > 0 {
		t.Errorf("the script printed: %s", output)
	}
	if err != nil && command.ProcessState.ExitCode() < 0 {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(directory, "message"))
	if err != nil {
		t.Fatal(err)
	}
	record, _ := os.ReadFile(filepath.Join(directory, "calls"))
	var call []string
	for word := range strings.Lines(string(record)) {
		if word = strings.TrimSuffix(word, "\n"); word != "--" {
			call = append(call, word)
			continue
		}
		calls, call = append(calls, call), nil
	}
	return string(text), calls, command.ProcessState.ExitCode()
}

func TestTheScriptPassesEveryWordOn(t *testing.T) {
	message, calls, code := runScript(t, 30, "pass word $HOME `id` \\ * ' \"\n",
		Operation{"unmount", "/gone", nil},
		Operation{"mount", "/spark", []string{"https://origin/a b?c=$(id)", "--readonly", "--option", "x=1 2", "--option-from", "key=SECRET", "--option", "h=9"}},
		Operation{"remount", "/other", []string{"s3://bucket", "--option", "h=*"}},
		Operation{"count", "/", nil})
	want := [][]string{
		{"fs", "-Da=1", "-Db=2", "unmount", "/gone"},
		{"fs", "-Da=1", "-Db=2", "mount", "--readonly", "--option", "x=1 2", "--option", "key=pass word $HOME `id` \\ * ' \"", "--option", "h=9", "/spark", "https://origin/a b?c=$(id)"},
		{"fs", "-Da=1", "-Db=2", "mount", "--remount", "--option", "h=*", "/other", "s3://bucket"},
		{"fs", "-Da=1", "-Db=2", "ls", "-R", "/"},
		{"fs", "-Da=1", "-Db=2", "count", "/"},
	}
	if len(calls) != len(want) {
		t.Fatalf("%d calls: %q", len(calls), calls)
	}
	for i := range want {
		if !slices.Equal(calls[i], want[i]) {
			t.Errorf("call %d is\n%q, want\n%q", i, calls[i], want[i])
		}
	}
	const text = "ok unmount /gone\nok mount /spark\nok remount /other\nok count / 12 3 268435456\n"
	if message != text || code != 0 {
		t.Errorf("code %d, message %q", code, message)
	}
	if counts, err := ParseCounts(ParseResults(message)[3].Text); err != nil || counts != (Counts{12, 268435456}) {
		t.Error(counts, err)
	}
}

// TestTheScriptSaysWhatFailed: the origin's own words, on one line, without what is in Secrets, and what came after.
func TestTheScriptSaysWhatFailed(t *testing.T) {
	for _, key := range []string{"s3cr3t", "a*b[c]?d", `back\slash`, "with blank", "x", "-n"} {
		message, _, code := runScript(t, 30, key,
			Operation{"mount", "/fails", []string{"https://origin", "--option-from", "key=SECRET"}},
			Operation{"mount", "/spark", []string{"https://origin"}})
		results := ParseResults(message)
		if code != 1 || len(results) != 2 || results[0].OK || !results[1].OK {
			t.Fatalf("code %d: %q", code, message)
		}
		text := results[0].Text
		if key != "x" && key != "-n" && strings.Contains(text, key) {
			t.Errorf("the secret %q is in %q", key, text)
		}
		if !strings.Contains(text, "403 for *** at  https://origin/***: Forbidden") {
			t.Errorf("the error is %q", text)
		}
	}
}

func TestAMissingSecretIsNamed(t *testing.T) {
	message, calls, code := runScript(t, 30, "", Operation{"mount", "/spark", []string{"https://origin", "--option-from", "key=/etc/fluid/secrets/mine/access"}})
	if want := "failed mount /spark Secret mine doesn't exist, or has no key access\n"; message != want || code != 1 || len(calls) != 0 {
		t.Errorf("code %d, %d calls, message %q", code, len(calls), message)
	}
}

// TestTheScriptWaitsNoLonger: what hangs is given up, and the rest is done.
func TestTheScriptWaitsNoLonger(t *testing.T) {
	start := time.Now()
	message, _, code := runScript(t, 1, "", Operation{"mount", "/hangs", []string{"https://origin"}}, Operation{"mount", "/b", []string{"https://origin"}})
	if took := time.Since(start); took > 20*time.Second {
		t.Error("it took", took)
	}
	if want := "failed mount /hangs no answer within 1 seconds\nok mount /b\n"; message != want || code != 1 {
		t.Errorf("code %d, message %q", code, message)
	}
}

// TestMessagesFitIntoATerminationMessage: 4,096 bytes, of which each operation gets its part, with the end of what was said.
func TestMessagesFitIntoATerminationMessage(t *testing.T) {
	var operations []Operation
	for i := range 10 {
		operations = append(operations, Operation{"mount", fmt.Sprintf("/long%d", i), []string{"https://origin"}})
	}
	message, _, _ := runScript(t, 30, "", operations...)
	results := ParseResults(message)
	if len(message) > 4096 || len(results) != 10 {
		t.Fatalf("%d bytes, %d results", len(message), len(results))
	}
	if text := results[9].Text; !strings.HasSuffix(text, "the end") || len(text) < 200 {
		t.Errorf("the error is %q", text)
	}
}
