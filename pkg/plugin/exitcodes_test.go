package plugin

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// TestExitCodesOfStates runs each state that a check can end in, under each policy, in each format.
func TestExitCodesOfStates(t *testing.T) {
	physicalForbidden := interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		if key.Namespace == "default" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "datasets"}, key.Name, errors.New("no right"))
		}
		return c.Get(ctx, key, object, options...)
	}}
	broken := interceptor.Funcs{Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
		return apierrors.NewInternalError(errors.New("etcd is away"))
	}}
	files := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml"}
	for _, state := range []struct {
		name, command string
		calls         interceptor.Funcs
		want          map[string]int // by policy
	}{
		{"pass", "ref check --from default/nfs -n ref", interceptor.Funcs{}, map[string]int{"": 0, "--fail-on=warning": 0, "--fail-on=never": 0, "--strict": 0}},
		{"warning", "ref check waiting -n ref", interceptor.Funcs{}, map[string]int{"": 0, "--fail-on=warning": 3, "--fail-on=never": 0, "--strict": 0}},
		{"error", "ref check malformed -n other", interceptor.Funcs{}, map[string]int{"": 3, "--fail-on=warning": 3, "--fail-on=never": 0, "--strict": 3}},
		{"skipped", "ref check malformed -n other --skip KF3001", interceptor.Funcs{}, map[string]int{"": 0, "--fail-on=warning": 0, "--fail-on=never": 0, "--strict": 0}},
		{"inconclusive", "ref check refdemo -n ref", physicalForbidden, map[string]int{"": 0, "--fail-on=warning": 0, "--fail-on=never": 0, "--strict": 5, "--strict --fail-on=never": 5}},
		{"failed", "ref check refdemo -n ref", broken, map[string]int{"": 1, "--fail-on=never": 1, "--strict": 1}},
	} {
		for policy, want := range state.want {
			connect := connectTo(fakeClientWith(t, state.calls, files...))
			for _, format := range append(checkFormats(), "") {
				switch format {
				case formatJSONPath:
					format += "{.kind}"
				case formatGoTemplate:
					format += "{{.kind}}"
				case formatCustomColumns:
					format += "NAME:.name"
				}
				arguments := strings.Fields(state.command + " " + policy)
				if format != "" {
					arguments = append(arguments, "-o", format)
				}
				r := runArguments(t.Context(), connect, arguments)
				if r.code != want {
					t.Errorf("%s %s -o %q: exit code %d, want %d: %s", state.name, policy, format, r.code, want, r.text())
				}
				if state.name == "failed" && r.out != "" {
					t.Errorf("something is on stdout though the call failed: %s", r.text())
				}
			}
		}
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
