package plugin

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// complete returns what a shell would offer.
func complete(t *testing.T, c client.WithWatch, arguments ...string) string {
	t.Helper()
	r := runArguments(t.Context(), connectTo(c), append([]string{cobra.ShellCompRequestCmd}, arguments...))
	if r.code != ExitOK {
		t.Fatal(r.text())
	}
	return r.out
}

func TestCompletion(t *testing.T) {
	c := fakeClient(t, "alluxio.yaml", "thin.yaml", "references.yaml", "pods.yaml", "namespaces.yaml")
	for _, test := range []struct {
		name      string
		arguments []string
		want      string
	}{
		{"references", []string{"ref", "check", "-n", "ref", ""}, "refdemo\tdefault/phy\nwaiting\tdefault/later/日志/2026\n:4\n"},
		{"references that begin so", []string{"ref", "check", "-n", "ref", "w"}, "waiting\tdefault/later/日志/2026\n:4\n"},
		{"several references to delete", []string{"ref", "delete", "-n", "ref", "refdemo", ""}, "waiting\tdefault/later/日志/2026\n:4\n"},
		{"namespaces for references", []string{"ref", "create", "a", "--namespaces", "re"}, "ref\nref-b\n:4\n"},
		{"no second reference", []string{"ref", "check", "-n", "ref", "refdemo", ""}, ":4\n"},
		{"physical Datasets", []string{"ref", "create", "a", "--from", "default/"}, "default/nfs\tBound\ndefault/phy\tBound\n:4\n"},
		{"physical Datasets, flag with =", []string{"ref", "check", "--from=default/p"}, "default/phy\tBound\n:4\n"},
		{"a Dataset to share", []string{"ref", "share", "r"}, "ref/plain\n:4\n"},
		{"namespaces", []string{"ref", "list", "-n", "re"}, "ref\nref-b\n:4\n"},
		{"a list of namespaces", []string{"ref", "share", "default/phy", "--with", "ref,o"}, "ref,other\n:4\n"},
		{"pods", []string{"inspect", "sidecar", "-n", "ref", "n"}, "native\nno-claim\nnot-injected\nnot-labelled\n:4\n"},
		{"codes", []string{"explain", "KF3004"}, "KF3004\tA name that a copy needs is taken\n:4\n"},
		{"formats", []string{"ref", "list", "-o", ""}, "wide\njson\nyaml\nname\njsonpath=\ngo-template=\ncustom-columns=\n:4\n"},
		{"languages", []string{"ref", "list", "--lang", ""}, "en\nzh\n:4\n"},
		{"contexts", []string{"ref", "list", "--kubeconfig", "testdata/kubeconfig.yaml", "--context", ""}, "one\ntwo\n:4\n"},
		{"clusters of an unreadable kubeconfig", []string{"ref", "list", "--kubeconfig", "testdata/alluxio.yaml", "--cluster", ""}, ":4\n"},
		{"no files", []string{"version", ""}, ":4\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := complete(t, c, test.arguments...); !strings.HasPrefix(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestCompletionOfWhatMayNotBeListed completes what the user may see, and nothing where he may see nothing.
func TestCompletionOfWhatMayNotBeListed(t *testing.T) {
	forbidden := func(namespace string) client.WithWatch {
		return fakeClientWith(t, interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				o := (&client.ListOptions{}).ApplyOptions(options)
				if o.Namespace != namespace || namespace == "" {
					return apierrors.NewForbidden(schema.GroupResource{Resource: "any"}, "", errors.New("no right"))
				}
				return c.List(ctx, list, options...)
			},
		}, "alluxio.yaml", "references.yaml")
	}
	if got, want := complete(t, forbidden("ref"), "ref", "create", "a", "-n", "ref", "--from", ""), "ref/plain\n:4\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := complete(t, forbidden(""), "ref", "check", "-n", "ref", ""), ":4\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestCompletionKnowsEveryArgument has a completion for each argument that is a name of something.
func TestCompletionKnowsEveryArgument(t *testing.T) {
	root := New(Environment{Connect: func(Kubeconfig) Connection { return nil }})
	for path := range argumentValues() {
		cmd, rest, err := root.Find(strings.Fields(path))
		if err != nil || len(rest) > 0 {
			t.Errorf("there is no command %q", path)
		} else if !strings.Contains(cmd.Use, " ") {
			t.Errorf("%s takes no argument", path)
		}
	}
}

func TestArguments(t *testing.T) {
	for _, test := range []struct{ line, want []string }{
		{[]string{"kubectl-fluid", "ref", "list"}, []string{"ref", "list"}},
		{[]string{"/usr/bin/kubectl_complete-fluid", "ref", ""}, []string{"__complete", "ref", ""}},
		{[]string{"kubectl_complete-fluid.exe"}, []string{"__complete"}},
		{[]string{"kubectl-fluid"}, []string{}},
	} {
		if got := Arguments(test.line); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.line, got, test.want)
		}
	}
}

func TestCompletionInstall(t *testing.T) {
	directory := t.TempDir()
	target := filepath.Join(directory, "v1", pluginName)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(directory, "bin", completionName)
	install := func(o completionInstallOptions, target string, wantChanged bool, wantErr error) {
		t.Helper()
		changed, err := o.install(target, file)
		if changed != wantChanged || !errors.Is(err, wantErr) {
			t.Errorf("install %s: %v, %v", target, changed, err)
		}
		left, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*"))
		if err != nil || len(left) != 1 {
			t.Errorf("left: %v %v", left, err)
		}
	}
	link, copied := completionInstallOptions{}, completionInstallOptions{copied: true}
	install(link, target, true, nil)
	install(link, target, false, nil)
	install(link, filepath.Join(directory, "v2", pluginName), true, nil)
	install(copied, target, true, nil)
	if data, err := os.ReadFile(file); err != nil || string(data) != "program" {
		t.Errorf("copy: %q %v", data, err)
	}
	// What isn't a link to the plugin is somebody else's.
	install(link, target, false, errForeignFile)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/bin/true", file); err != nil {
		t.Fatal(err)
	}
	install(link, target, false, errForeignFile)
}

// built is the program of the plugin, built once for all tests that need it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// program returns the directory of the built kubectl-fluid.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the plugin")
	}
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "program"); built.err != nil {
			return
		}
		command := exec.Command("go", "build", "-o", built.dir, "github.com/kubectl-fluid/kubectl-fluid/cmd/kubectl-fluid")
		if out, err := command.CombinedOutput(); err != nil {
			built.err = errors.New(string(out))
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.dir
}

// TestRealCompletion asks kubectl itself to complete, with the built program, once "completion install" has run.
func TestRealCompletion(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "completed", "alluxio.yaml", "thin.yaml")
	directory, own := t.TempDir(), program(t)
	kubectl := filepath.Join(startCluster(t).BinDir(), "kubectl")
	run := func(name string, arguments ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), name, arguments...)
		command.Env = append(os.Environ(), "KUBECONFIG="+r.kubeconfig, "PATH="+directory+":"+own+":"+os.Getenv("PATH"), "HOME="+directory)
		var stderr strings.Builder
		command.Stderr = &stderr
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(arguments, " "), err, out, stderr.String())
		}
		return string(out)
	}
	before := run(kubectl, "__complete", "fluid", "ref", "create", "a", "--from", "default/p")
	if strings.Contains(before, "default/phy") {
		t.Fatalf("kubectl completes before the installation: %s", before)
	}
	got := run(kubectl, "fluid", "completion", "install", "--dir", directory)
	if want := filepath.Join(directory, completionName) + " installed, for " + filepath.Join(own, pluginName) + "\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, test := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"ref", "create", "a", "--from", "default/p"}, "default/phy\tBound\n:4\n"},
		{[]string{"ref", "list", "-n", "compl"}, "completed\n:4\n"},
		{[]string{"ref", "ch"}, "check\tCheck references for name collisions and everything else in their way\n:4\n"},
		{[]string{"explain", "KF3004"}, "KF3004\tA name that a copy needs is taken\n:4\n"},
		{[]string{"ref", "list", "-o", ""}, "wide\njson\nyaml\nname\njsonpath=\ngo-template=\ncustom-columns=\n:4\n"},
	} {
		if got := run(kubectl, append([]string{"__complete", "fluid"}, test.arguments...)...); got != test.want {
			t.Errorf("%q: got %q, want %q", test.arguments, got, test.want)
		}
	}
	for _, s := range shells() {
		if script := run(kubectl, "fluid", "completion", s.name); !strings.Contains(script, "kubectl-fluid") {
			t.Errorf("%s: %q", s.name, script)
		}
	}
	if bash, err := exec.LookPath("bash"); err == nil {
		script := run(kubectl, "fluid", "completion", "bash")
		command := exec.CommandContext(t.Context(), bash, "-n")
		command.Stdin = strings.NewReader(script)
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("the script for bash: %v %s", err, out)
		}
	}
}
