package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// crashDir is set, to a state directory, for the copy of this test program that
// starts a cluster and is then killed; crashNode if the cluster has a node.
const (
	crashDir  = "CLUSTER_TEST_CRASH_DIR"
	crashNode = "CLUSTER_TEST_CRASH_NODE"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		_, err := Start(context.Background(), Options{StateDir: dir, Node: os.Getenv(crashNode) != "", Out: os.Stderr})
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		time.Sleep(time.Hour) // Until it is killed.
	}
	os.Exit(m.Run())
}

// testContext returns a context that ends in time for the test to clean up.
func testContext(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a cluster: skipped with -short")
	}
	if deadline, ok := t.Deadline(); ok {
		ctx, cancel := context.WithDeadline(t.Context(), deadline.Add(-time.Minute))
		t.Cleanup(cancel)
		return ctx
	}
	return t.Context()
}

// stateDir returns a state directory that is taken down after the test at the latest.
func stateDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if err := Teardown(context.Background(), dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestControlPlane(t *testing.T) {
	ctx, dir := testContext(t), stateDir(t)
	// Twice, as the second must not find anything of the first.
	for range 2 {
		c, err := Start(ctx, Options{StateDir: dir, Out: t.Output()})
		if err != nil {
			t.Fatal(err)
		}
		useControlPlane(ctx, t, c)
		if opened, err := Open(dir); err != nil {
			t.Error(err)
		} else if opened.Kubeconfig() != c.Kubeconfig() {
			t.Errorf("Open: kubeconfig %s, want %s", opened.Kubeconfig(), c.Kubeconfig())
		}
		tr := noteTraces(t, dir)
		for range 2 { // Stop may be called again.
			if err := c.Stop(ctx); err != nil {
				t.Fatal(err)
			}
		}
		tr.assertGone(t)
		if _, err := Open(dir); err == nil {
			t.Error("Open of a stopped cluster: no error")
		}
	}
}

// useControlPlane creates a namespace, waits for its default ServiceAccount,
// and creates and deletes a pod in it.
func useControlPlane(ctx context.Context, t *testing.T, c *Cluster) {
	t.Helper()
	client, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "test"}}
	if _, err = client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	err = waitFor(ctx, "the default ServiceAccount of a new namespace", 20*time.Second, nil, func(ctx context.Context) error {
		_, getErr := client.CoreV1().ServiceAccounts("test").Get(ctx, "default", metav1.GetOptions{})
		return getErr
	})
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "pod"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	if _, err = client.CoreV1().Pods("test").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(c.BinDir(), "kubectl"), "--kubeconfig", c.Kubeconfig(), "delete", "namespace", "test", "--timeout=30s").CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl delete namespace: %v: %s", err, out)
	}
}

func TestStartTakesDownTheEarlierCluster(t *testing.T) {
	ctx, dir := testContext(t), stateDir(t)
	first, err := Start(ctx, Options{StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	earlier := first.journal.get().Processes
	second, err := Start(ctx, Options{StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range earlier {
		if p.alive() {
			t.Errorf("%s of the earlier cluster still runs", p.Name)
		}
	}
	tr := noteTraces(t, dir)
	if err := second.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	tr.assertGone(t)
}

func TestStartCanceled(t *testing.T) {
	ctx, dir := testContext(t), stateDir(t)
	if err := EnsureBinaries(ctx, t.Output(), false); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		waitForProcesses(dir, "kube-apiserver")
		cancel()
	}()
	if _, err := Start(ctx, Options{StateDir: dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("Start: %v, want %v", err, context.Canceled)
	}
	traces{dir: dir}.assertGone(t)
}

func TestStartReportsComponentThatEnds(t *testing.T) {
	ctx, dir := testContext(t), stateDir(t)
	_, err := Start(ctx, Options{StateDir: dir, APIServerArgs: []string{"--no-such-flag"}})
	if err == nil {
		t.Fatal("Start with an unknown flag of kube-apiserver: no error")
	}
	for _, want := range []string{"kube-apiserver ended early", "unknown flag: --no-such-flag", "logs/kube-apiserver.log"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not contain %q", err, want)
		}
	}
	traces{dir: dir}.assertGone(t)
}

func TestTeardownAfterCrash(t *testing.T) {
	ctx := testContext(t)
	if err := EnsureBinaries(ctx, t.Output(), false); err != nil {
		t.Fatal(err)
	}
	for _, component := range []string{"etcd", "kube-apiserver", "kube-controller-manager"} {
		t.Run("at "+component, func(t *testing.T) {
			dir := stateDir(t)
			crash(t, dir, component)
			tr := noteTraces(t, dir)
			if _, err := Open(dir); err == nil {
				t.Error("Open of a cluster whose start was cut off: no error")
			}
			if err := Teardown(ctx, dir); err != nil {
				t.Fatal(err)
			}
			tr.assertGone(t)
		})
	}
}

// crash starts a cluster in another process, which is killed as soon as a
// component was started.
func crash(t *testing.T, dir, component string, env ...string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), crashDir+"="+dir), env...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitForProcesses(dir, component)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // It was killed: the error says nothing.
}

// waitForProcesses waits, for a minute at most, until a cluster's journal has a component.
func waitForProcesses(dir, component string) {
	for range 6000 {
		j, err := readJournal(dir)
		if err == nil && slices.ContainsFunc(j.get().Processes, func(p processRecord) bool { return p.Name == component }) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestTeardownOfNothing(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if err := Teardown(t.Context(), dir); err != nil {
			t.Error(err)
		}
	}
}

func TestOptionsValidate(t *testing.T) {
	for name, o := range map[string]Options{
		"relative state directory": {StateDir: "state"},
		"root":                     {StateDir: "/"},
		"images without a node":    {StateDir: "/state", Images: []Image{{Name: "i"}}},
		"long state directory":     {StateDir: "/" + strings.Repeat("d", 64), Node: true},
	} {
		o.Out = io.Discard
		if _, err := Start(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
