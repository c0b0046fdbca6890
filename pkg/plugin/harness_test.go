package plugin

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	apiversion "k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject/injecttest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// testNow is the time of all tests.
func testNow() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// result is what a run of the plugin leaves.
type result struct {
	out, err string
	code     int
}

// text is the golden form of a result.
func (r result) text() string {
	return fmt.Sprintf("--- exit code %d\n--- stdout\n%s--- stderr\n%s", r.code, r.out, r.err)
}

// run runs a command line such as "ref list -n ref".
func run(ctx context.Context, connect func(Kubeconfig) Connection, commandLine string) result {
	return runArguments(ctx, connect, strings.Fields(commandLine))
}

// runArguments is run for arguments that may be empty or have blanks.
func runArguments(ctx context.Context, connect func(Kubeconfig) Connection, arguments []string) result {
	return runIn(ctx, Environment{Connect: connect}, arguments)
}

// runIn is runArguments in an environment: its stdin, terminal and variables count, and its ErrOut hears what is said.
func runIn(ctx context.Context, env Environment, arguments []string) result {
	var out, errOut bytes.Buffer
	if env.In == nil {
		env.In = strings.NewReader("")
	}
	if env.Out = &out; env.ErrOut == nil {
		env.ErrOut = &errOut
	} else {
		env.ErrOut = io.MultiWriter(&errOut, env.ErrOut)
	}
	env.Now = testNow
	env.Build = Build{Version: "v1.2.3", Commit: "abc", Date: "2026-01-02T03:04:05Z"}
	code := Main(ctx, env, arguments)
	return result{out.String(), errOut.String(), code}
}

// listener is a writer that hears when a text is written.
type listener struct {
	text  string
	once  sync.Once
	heard chan struct{}
}

func listenFor(text string) *listener { return &listener{text: text, heard: make(chan struct{})} }

// wait waits until the text was written; half a minute without it will do, for the test to fail by what it expects.
func (l *listener) wait() {
	select {
	case <-l.heard:
	case <-time.After(30 * time.Second):
	}
}

func (l *listener) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte(l.text)) {
		l.once.Do(func() { close(l.heard) })
	}
	return len(text), nil
}

// meanwhile does something beside a test, which must wait for it before it ends: its context ends then.
func meanwhile(do func()) (wait func()) {
	var group sync.WaitGroup
	group.Go(do)
	return group.Wait
}

// noCluster is a connection that fails the test when it's used.
func noCluster(t *testing.T) func(Kubeconfig) Connection {
	return func(kubeconfig Kubeconfig) Connection { return &forbiddenConnection{t, kubeconfig} }
}

type forbiddenConnection struct {
	t          *testing.T
	kubeconfig Kubeconfig
}

func (c *forbiddenConnection) Namespace() (string, error) { return c.kubeconfig.Namespace() }
func (c *forbiddenConnection) Client() (client.WithWatch, error) {
	c.t.Error("a client was asked for")
	return nil, errors.New("there is no cluster")
}
func (c *forbiddenConnection) ServerVersion(context.Context) (*apiversion.Info, error) {
	c.t.Error("the server's version was asked for")
	return nil, errors.New("there is no cluster")
}

// compare compares a text with testdata/golden/<name>, in which the scripts of sidecars aren't.
func compare(t *testing.T, name, got string) {
	t.Helper()
	golden.Compare(t, filepath.Join("testdata", "golden", name), []byte(injecttest.ReadScripts(t, "../inject/scripts").Hide(got)))
}

// fakeConnection is a cluster in memory.
type fakeConnection struct {
	kubeconfig Kubeconfig
	client     client.WithWatch
	// err is returned instead of a client or a version.
	err error
}

func (c *fakeConnection) Namespace() (string, error) {
	return c.kubeconfig.Namespace()
}
func (c *fakeConnection) Client() (client.WithWatch, error) { return c.client, c.err }
func (c *fakeConnection) ServerVersion(context.Context) (*apiversion.Info, error) {
	return &apiversion.Info{GitVersion: "v1.37.2"}, c.err
}

// connectTo returns a connection to a client.
func connectTo(c client.WithWatch) func(Kubeconfig) Connection {
	return func(kubeconfig Kubeconfig) Connection {
		return &fakeConnection{kubeconfig: kubeconfig, client: c}
	}
}

// fakeClient returns a cluster in memory with the objects of some files in testdata.
func fakeClient(t *testing.T, files ...string) client.WithWatch {
	t.Helper()
	return fakeClientWith(t, interceptor.Funcs{}, files...)
}

// fakeClientWith is fakeClient with calls replaced.
func fakeClientWith(t *testing.T, calls interceptor.Funcs, files ...string) client.WithWatch {
	t.Helper()
	scheme, err := cluster.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	if calls.Create == nil {
		calls.Create = answerReviews(true)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(cluster.NewMapper()).
		WithInterceptorFuncs(calls).
		WithIndex(&datav1alpha1.Dataset{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} }).
		WithIndex(&corev1.Event{}, "involvedObject.name", func(o client.Object) []string { return []string{o.(*corev1.Event).InvolvedObject.Name} })
	for _, object := range load(t, files...) {
		builder.WithObjects(object)
	}
	return builder.Build()
}

// answerReviews lets a cluster in memory answer whether the user may do something.
func answerReviews(allowed bool) func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
	return func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
		switch review := object.(type) {
		case *authorizationv1.SelfSubjectAccessReview:
			review.Status.Allowed = allowed
			return nil
		case *authorizationv1.SubjectAccessReview:
			review.Status.Allowed = allowed
			return nil
		case *authorizationv1.SelfSubjectRulesReview:
			if all := []string{"*"}; allowed {
				review.Status.ResourceRules = []authorizationv1.ResourceRule{{Verbs: all, APIGroups: all, Resources: all}}
			}
			return nil
		}
		return c.Create(ctx, object, options...)
	}
}

// load reads the objects of files in testdata.
func load(t *testing.T, files ...string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		decoder := utilyaml.NewYAMLToJSONDecoder(bytes.NewReader(data))
		for {
			object := &unstructured.Unstructured{}
			if err := decoder.Decode(object); err != nil {
				break // io.EOF; anything else shows as a missing object.
			}
			objects = append(objects, object)
		}
	}
	return objects
}

// kubeconfig keeps tests from the kubeconfig of whoever runs them.
func TestMain(m *testing.M) {
	flag.Parse()
	log.SetLogger(logr.Discard())
	err := os.Setenv("KUBECONFIG", filepath.Join(os.TempDir(), "no-such-kubeconfig"))
	code := m.Run()
	if err = errors.Join(err, stopCluster(), os.RemoveAll(built.dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
