package plugin

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// pagesOf makes a cluster in memory list size objects at once and say where the rest begins, as an API server does of
// lists with a limit. pages counts the pages that were asked for after a first one.
func pagesOf(size int, pages *int) interceptor.Funcs {
	return interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			asked := client.ListOptions{}
			asked.ApplyOptions(options)
			limit, begin := asked.Limit, asked.Continue
			asked.Limit, asked.Continue = 0, ""
			if err := c.List(ctx, list, &asked); err != nil || limit == 0 {
				return err
			}
			from := 0
			if begin != "" {
				*pages++
				var err error
				if from, err = strconv.Atoi(begin); err != nil {
					return apierrors.NewBadRequest(err.Error())
				}
			}
			return cutPage(list, from, size)
		},
	}
}

// cutPage leaves size objects from a list.
func cutPage(list client.ObjectList, from, size int) error {
	all, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b runtime.Object) int {
		one, other := a.(client.Object), b.(client.Object)
		return cmp.Or(cmp.Compare(one.GetNamespace(), other.GetNamespace()), cmp.Compare(one.GetName(), other.GetName()))
	})
	if end := from + size; end < len(all) {
		list.SetContinue(strconv.Itoa(end))
		all = all[:end]
	}
	return meta.SetList(list, all[from:])
}

// TestEveryPageIsRead: every command shows the same of a cluster that lists two objects at once as of one that lists all.
func TestEveryPageIsRead(t *testing.T) {
	pages := 0
	for _, s := range shownCommands() {
		if s.files == nil {
			continue // It asks for nothing.
		}
		whole := s.run(t, Environment{Connect: s.connect(t)}, "")
		connect := s.connect(t)
		paged := s.run(t, Environment{Connect: func(kubeconfig Kubeconfig) Connection {
			c := connect(kubeconfig).(*fakeConnection)
			return &fakeConnection{kubeconfig: kubeconfig, client: interceptor.NewClient(c.client, pagesOf(2, &pages))}
		}}, "")
		if whole != paged {
			t.Errorf("%q in pages of two: %s\nwant: %s", s.arguments, paged.text(), whole.text())
		}
	}
	if pages == 0 {
		t.Error("no list had a second page")
	}
}

// TestManifestsApplyToEveryPage: who checks manifests gets all references of the cluster, too.
func TestManifestsApplyToEveryPage(t *testing.T) {
	pages := 0
	files := []string{"alluxio.yaml", "references.yaml"}
	const command = "ref check -A -f testdata/nfs-reference.yaml -o name"
	whole := run(t.Context(), connectTo(fakeClient(t, files...)), command)
	paged := run(t.Context(), connectTo(fakeClientWith(t, pagesOf(1, &pages), files...)), command)
	if whole != paged || pages == 0 || strings.Count(whole.out, "\n") < 3 {
		t.Errorf("with %d more pages: %s\nwant: %s", pages, paged.text(), whole.text())
	}
}

// TestInspectShowsAllPodsOfAWorkload has a Deployment with more pods than one request lists.
func TestInspectShowsAllPodsOfAWorkload(t *testing.T) {
	pages := 0
	c := fakeClientWith(t, pagesOf(500, &pages), "alluxio.yaml", "references.yaml", "workloads.yaml")
	for i := range 501 {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: fmt.Sprintf("more-%03d", i), Labels: map[string]string{"app": "web"}}}
		if err := c.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t.Context(), connectTo(c), "inspect sidecar deploy/web -n ref -o json")
	if !strings.Contains(r.out, `"more-000"`) || !strings.Contains(r.out, `"more-500"`) || pages == 0 {
		t.Errorf("with %d more pages: %s", pages, r.text())
	}
}

// watchingCommands are those that follow Datasets until something happens.
func watchingCommands() []string {
	return []string{
		"ref list -n ref --watch",
		"ref create new -n ref --from default/nfs --mirror-names=unique --wait --timeout 1m",
		"ref delete refdemo -n ref --yes --wait --timeout 1m",
	}
}

// watchCalls makes watches answer with an event, and keeps Datasets from going.
func watchCalls(answer func() (watch.Interface, error)) interceptor.Funcs {
	return interceptor.Funcs{
		Watch: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
			return answer()
		},
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return nil },
	}
}

// errorEvent returns a watch that says an error of the server.
func errorEvent(err *apierrors.StatusError) (watch.Interface, error) {
	events := watch.NewFakeWithChanSize(1, false)
	events.Error(&err.ErrStatus)
	return events, nil
}

// TestErrorsOfWatchesEndCommands: what the server says is wrong ends each command that watches, with the reason.
func TestErrorsOfWatchesEndCommands(t *testing.T) {
	for _, command := range watchingCommands() {
		c := fakeClientWith(t, watchCalls(func() (watch.Interface, error) {
			return errorEvent(apierrors.NewInternalError(fmt.Errorf("etcd is away")))
		}), "alluxio.yaml", "thin.yaml", "references.yaml")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if r := run(ctx, connectTo(c), command); r.code != ExitFailed || !strings.Contains(r.err, "etcd is away") {
			t.Errorf("%s: %s", command, r.text())
		}
		cancel()
	}
}

// TestWatchesThatEndBeginAnew: the server ends watches when it likes, and forgets old changes; each command lists and
// watches again.
func TestWatchesThatEndBeginAnew(t *testing.T) {
	for name, end := range map[string]func() (watch.Interface, error){
		"closed":  func() (watch.Interface, error) { w := watch.NewFake(); w.Stop(); return w, nil },
		"expired": func() (watch.Interface, error) { return errorEvent(apierrors.NewResourceExpired("too old")) },
		// API servers may still answer with the reason that Expired replaced. The function that makes it is deprecated.
		"gone": func() (watch.Interface, error) {
			return errorEvent(&apierrors.StatusError{ErrStatus: metav1.Status{
				Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonGone, Message: "too old",
			}})
		},
	} {
		for _, command := range watchingCommands() {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			watches := 0
			c := fakeClientWith(t, watchCalls(func() (watch.Interface, error) {
				if watches++; watches == 2 {
					cancel()
				}
				return end()
			}), "alluxio.yaml", "thin.yaml", "references.yaml")
			if r := run(ctx, connectTo(c), command); r.code != ExitInterrupted || watches != 2 {
				t.Errorf("%s: %s: after %d watches: %s", name, command, watches, r.text())
			}
			cancel()
		}
	}
}

// TestRealPages lists more references than an API server gives at once, and follows them: all are shown, and what comes
// after the list.
func TestRealPages(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "pages")
	t.Cleanup(func() { // Other tests list all references of the cluster.
		if err := r.admin.DeleteAllOf(context.Background(), &datav1alpha1.Dataset{}, client.InNamespace("pages")); err != nil {
			t.Error(err)
		}
	})
	const many = 501
	create := func(name string) {
		dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: "pages", Name: name}}
		dataset.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://default/phy"}}
		if err := r.admin.Create(t.Context(), dataset); err != nil {
			t.Error(err)
		}
	}
	for i := range many {
		create(fmt.Sprintf("many-%03d", i))
	}
	if res := r.run(t, "ref list -n pages -o name"); strings.Count(res.out, "\n") != many {
		t.Errorf("%d of %d: %s", strings.Count(res.out, "\n"), many, res.err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	listed, followed := listenFor("many-500"), listenFor("later")
	defer meanwhile(func() {
		listed.wait()
		create("later")
		followed.wait()
		cancel()
	})()
	var out bytes.Buffer
	code := Main(ctx, Environment{IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.MultiWriter(&out, listed, followed), ErrOut: io.Discard}, Now: testNow},
		[]string{"ref", "list", "-n", "pages", "--watch", "--kubeconfig", r.kubeconfig})
	if lines := strings.Count(out.String(), "\n"); code != ExitInterrupted || lines != 1+many+1 {
		t.Errorf("exit code %d, %d lines", code, lines)
	}
}
