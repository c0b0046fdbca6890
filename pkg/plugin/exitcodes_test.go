package plugin

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/doctor"
)

// commandOf returns the command of a command line by its path.
func commandOf(t *testing.T, line string) string {
	t.Helper()
	return shownCommand{arguments: strings.Fields(line)}.path(t)
}

// withEachFormat calls f with the arguments of a command line in each format that its command has, and without -o.
func withEachFormat(t *testing.T, line string, f func(format string, arguments []string)) {
	t.Helper()
	for _, format := range append([]string{""}, formatsOf(t, leafCommands()[commandOf(t, line)])...) {
		arguments := strings.Fields(line)
		if format != "" {
			arguments = append(arguments, "-o", format)
		}
		f(format, arguments)
	}
}

// forbidNamespace answers every read in a namespace, or of objects that have none, with Forbidden.
func forbidNamespace(namespace string) interceptor.Funcs {
	return interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		if key.Namespace == namespace {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "objects"}, key.Name, errors.New("no right"))
		}
		return c.Get(ctx, key, object, options...)
	}}
}

// TestExitCodesOfStates runs each command that judges in each state that it can end in, under each policy, in each format:
// the exit code depends on the state and the policy alone.
func TestExitCodesOfStates(t *testing.T) {
	broken := interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return apierrors.NewInternalError(errors.New("etcd is away"))
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return apierrors.NewInternalError(errors.New("etcd is away"))
		},
	}
	all := interceptor.Funcs{}
	const physical, cluster = "default", ""
	pass := map[string]int{"": 0, "--fail-on=warning": 0, "--fail-on=never": 0, "--strict": 0}
	warning := map[string]int{"": 0, "--fail-on=error": 0, "--fail-on=warning": 3, "--fail-on=never": 0, "--strict": 0, "--strict --fail-on=warning": 3}
	failing := map[string]int{"": 3, "--fail-on=warning": 3, "--fail-on=never": 0, "--strict": 3, "--strict --fail-on=never": 0}
	unknown := map[string]int{"": 0, "--fail-on=warning": 0, "--fail-on=never": 0, "--strict": 5, "--strict --fail-on=never": 5}
	failed := map[string]int{"": 1, "--fail-on=never": 1, "--strict": 1}
	always := func(code int) map[string]int { return map[string]int{"": code} }
	seen := map[string]map[int]bool{}
	for _, state := range []struct {
		name, command string
		calls         interceptor.Funcs
		want          map[string]int // by policy
	}{
		{"pass", "ref check --from default/nfs -n ref", all, pass},
		{"warning", "ref check waiting -n ref", all, warning},
		{"error", "ref check malformed -n other", all, failing},
		{"skipped", "ref check malformed -n other --skip KF3001", all, pass},
		{"inconclusive", "ref check refdemo -n ref", forbidNamespace(physical), unknown},
		{"failed", "ref check refdemo -n ref", broken, failed},
		{"pass", "inspect sidecar native -n ref", all, pass},
		{"warning", "inspect sidecar not-labelled -n ref", all, warning},
		{"error", "inspect sidecar not-injected -n ref", all, failing},
		{"skipped", "inspect sidecar not-injected -n ref --skip KF4009", all, pass},
		{"inconclusive", "inspect sidecar not-injected -n ref", forbidNamespace(physical), unknown},
		{"failed", "inspect sidecar native -n ref", broken, failed},
		{"pass", "inspect dataset nfs -n default", all, pass},
		{"warning", "inspect dataset waiting -n ref", all, warning},
		{"error", "inspect dataset malformed -n other", all, failing},
		{"inconclusive", "inspect dataset refdemo -n ref", forbidNamespace(physical), unknown},
		{"failed", "inspect dataset refdemo -n ref", broken, failed},
		{"pass", "doctor -n ref --only pod-security", all, pass},
		{"warning", "doctor -n restricted --only pod-security", all, warning},
		{"error", "doctor -n ref --only controllers", all, failing},
		{"skipped", "doctor -n ref --skip " + strings.Join(doctor.CheckIDs(), ","), all, pass},
		{"inconclusive", "doctor -n ref --only pod-security", forbidNamespace(cluster), unknown},
		{"pass", "ref can-i --from default/nfs -n ref", all, always(0)},
		{"failed", "ref can-i --from default/nfs -n ref", broken, always(1)},
		{"pass", "ref list -n ref", all, always(0)},
		{"failed", "ref list -n ref", broken, always(1)},
		{"pass", "ref tree -n ref", all, always(0)},
		{"failed", "ref tree -n ref", broken, always(1)},
		{"pass", "ref describe refdemo -n ref", all, always(0)},
		{"failed", "ref describe refdemo -n ref", broken, always(1)},
		{"error", "ref diff refdemo -n ref", all, always(3)},
		{"failed", "ref diff refdemo -n ref", broken, always(1)},
		{"pass", "ref create new -n ref --from default/nfs --dry-run=client", all, always(0)},
		{"error", "ref create new -n ref --from default/phy --mirror-names=source", all, always(3)},
		{"failed", "ref create new -n ref --from default/phy", broken, always(1)},
		{"timed out", "ref create new -n ref --from default/nfs --wait --timeout 20ms", all, always(4)},
	} {
		files := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml", "pods.yaml", "restricted.yaml"}
		command := commandOf(t, state.command)
		if seen[command] == nil {
			seen[command] = map[int]bool{}
		}
		for policy, want := range state.want {
			seen[command][want] = true
			connect := connectTo(fakeClientWith(t, state.calls, files...))
			withEachFormat(t, state.command+" "+policy, func(format string, arguments []string) {
				r := runArguments(t.Context(), connect, arguments)
				if r.code != want {
					t.Errorf("%s: %q: exit code %d, want %d: %s", state.name, arguments, r.code, want, r.text())
				}
				if state.name == "failed" && r.out != "" {
					t.Errorf("%q: something is on stdout though the call failed: %s", arguments, r.text())
				}
			})
		}
	}
	for _, command := range []string{"ref check", "inspect sidecar", "inspect dataset", "doctor"} {
		for _, code := range []int{ExitOK, ExitFindings, ExitInconclusive} {
			if !seen[command][code] {
				t.Errorf("%s was never seen to end with %d", command, code)
			}
		}
	}
}

// TestExitCodeOfInterrupts: who interrupts a command that waits for the API server gets 130 and nothing on stdout, in
// every format.
func TestExitCodeOfInterrupts(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	calls := interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, _ client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			return hang(ctx)
		},
		List: func(ctx context.Context, _ client.WithWatch, _ client.ObjectList, _ ...client.ListOption) error {
			return hang(ctx)
		},
		Create: func(ctx context.Context, _ client.WithWatch, _ client.Object, _ ...client.CreateOption) error {
			return hang(ctx)
		},
	}
	for _, s := range shownCommands() {
		if s.files == nil {
			continue // It asks for nothing.
		}
		c := fakeClientWith(t, calls)
		for _, format := range s.formats(t) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(5*time.Millisecond, cancel)
			arguments := slices.Clone(s.arguments)
			if format != "" {
				arguments = append(arguments, "-o", format)
			}
			if r := runArguments(ctx, connectTo(c), arguments); r.code != ExitInterrupted || r.out != "" || r.err != "error: interrupted\n" {
				t.Errorf("%q: %s", arguments, r.text())
			}
			cancel()
		}
	}
}

// TestExitCodeOfUsageErrors: a wrong command line is 2 in every format, and nothing is asked of a cluster.
func TestExitCodeOfUsageErrors(t *testing.T) {
	for path, cmd := range leafCommands() {
		for _, format := range append([]string{""}, formatsOf(t, cmd)...) {
			arguments := append(strings.Fields(path), "--no-such-flag")
			if format != "" {
				arguments = append(arguments, "-o", format)
			}
			if r := runArguments(t.Context(), noCluster(t), arguments); r.code != ExitUsage || r.out != "" || !strings.Contains(r.err, "--no-such-flag") {
				t.Errorf("%q: %s", arguments, r.text())
			}
		}
	}
}

// fullDisk can't be written to.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestOutputThatCantBeWritten: no command in no format takes what nobody got for fine, not even what it did.
func TestOutputThatCantBeWritten(t *testing.T) {
	for _, s := range shownCommands() {
		connect := s.connect(t)
		for _, format := range s.formats(t) {
			if s.run(t, Environment{Connect: connect}, format).out == "" {
				continue // It has nothing to say.
			}
			if s.writes() {
				connect = s.connect(t) // The command has changed the cluster.
			}
			var errOut bytes.Buffer
			arguments := slices.Clone(s.arguments)
			if format != "" {
				arguments = append(arguments, "-o", format)
			}
			env := Environment{IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: fullDisk{}, ErrOut: &errOut}, Now: testNow, Connect: connect}
			if code := Main(t.Context(), env, arguments); code != ExitFailed || !strings.HasSuffix(errOut.String(), "error: writing the output: no space left on device\n") {
				t.Errorf("%q: exit code %d: %s", arguments, code, errOut.String())
			}
		}
	}
}

// TestFullDisk: the same where the system says it.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	var errOut bytes.Buffer
	code := Main(t.Context(), Environment{IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: full, ErrOut: &errOut}, Now: testNow, Connect: noCluster(t)}, []string{"explain"})
	if want := "error: writing the output: write /dev/full: no space left on device\n"; code != ExitFailed || errOut.String() != want {
		t.Errorf("exit code %d: %s", code, errOut.String())
	}
	if err = full.Close(); err != nil {
		t.Error(err)
	}
}

// TestExamples runs each example of the help texts: none is wrong about the command line.
func TestExamples(t *testing.T) {
	for path, cmd := range leafCommands() {
		for text := range strings.Lines(cmd.Example) {
			text = strings.TrimSpace(text)
			if !strings.HasPrefix(text, "kubectl fluid ") || strings.Contains(text, "|") || strings.Contains(text, "--watch") || strings.HasPrefix(path, "completion") {
				continue
			}
			c := fakeClient(t, "alluxio.yaml", "thin.yaml", "references.yaml", "pods.yaml", "workloads.yaml")
			arguments := strings.Fields(strings.ReplaceAll(strings.TrimPrefix(text, "kubectl fluid "), "'", ""))
			if strings.Contains(text, "--wait") {
				arguments = append(arguments, "--timeout=50ms")
			}
			t.Run(text, func(t *testing.T) {
				t.Chdir(t.TempDir()) // Some examples write files.
				if r := runArguments(t.Context(), connectTo(c), arguments); r.code == ExitUsage {
					t.Error(r.text())
				}
			})
		}
	}
}
