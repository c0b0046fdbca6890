// Package livetest gives the tests of reconcilers a real control plane, on which they create objects and wait for what
// becomes of them. A package's TestMain calls Main; everything else may be called by its tests.
package livetest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/caches"
	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// Patience is how long tests wait for what must come.
const Patience = 30 * time.Second

// live is the control plane of a package's tests. Main sets it before any of them runs.
var live struct {
	config *rest.Config
	client client.Client
}

// Config is the connection to the control plane, with all rights.
func Config() *rest.Config { return live.config }

// Client reads and writes there without a cache.
func Client() client.Client { return live.client }

// Main runs a package's tests on a real control plane: API server, etcd and controller manager. It has the definitions of
// an installation, and those in more files. It returns the exit code.
func Main(m *testing.M, more ...string) int {
	flag.Parse()
	if testing.Short() {
		return m.Run() // those that need a cluster leave themselves out
	}
	code, err := runOnCluster(m, more)
	if err != nil {
		fmt.Fprintln(os.Stderr, "running the tests on a cluster:", err)
		return 1
	}
	return code
}

func runOnCluster(m *testing.M, more []string) (code int, err error) {
	ctx := context.Background()
	stateDir, err := os.MkdirTemp("", "reconcile")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(stateDir)) }()
	c, err := cluster.Start(ctx, cluster.Options{StateDir: stateDir, Out: os.Stderr})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Stop(ctx)) }()
	ctrl.SetLogger(logr.Discard())
	if live.config, err = c.RESTConfig(); err != nil {
		return 0, err
	}
	if live.client, err = client.New(live.config, client.Options{Scheme: Scheme()}); err != nil {
		return 0, err
	}
	if err := harness.InstallCRDs(ctx, live.client, more...); err != nil {
		return 0, err
	}
	if err := awaitGarbageCollector(ctx, live.client); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// awaitGarbageCollector waits until Kubernetes deletes what Datasets and ThinRuntimes own. It looks for new kinds every
// 30 seconds; an owner that goes before that leaves its objects for minutes.
func awaitGarbageCollector(ctx context.Context, c client.Client) error {
	owners := []client.Object{
		&datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "owner"}},
		&datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "owner"}},
	}
	for _, owner := range owners {
		if err := c.Create(ctx, owner); err != nil {
			return err
		}
		// Deleted in the foreground, an owner stays until the garbage collector has looked at it.
		if err := c.Delete(ctx, owner, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
			return err
		}
	}
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		for _, owner := range owners {
			if err := c.Get(ctx, client.ObjectKeyFromObject(owner), owner); !apierrors.IsNotFound(err) {
				return false, err
			}
		}
		return true, nil
	})
}

// Scheme has the types of Kubernetes and of Fluid.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), datav1alpha1.AddToScheme(scheme)); err != nil {
		panic(err)
	}
	return scheme
}

// NeedCluster leaves a test out that needs a cluster if there is none.
func NeedCluster(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes a control plane")
	}
}

// StartManager runs a manager with the reconcilers that setup adds, until the test ends, and returns when its caches
// are filled. Tests that start managers aren't parallel: each manager sees the whole cluster.
func StartManager(t *testing.T, setup func(ctrl.Manager) error) ctrl.Manager {
	t.Helper()
	manager, _ := StartManagerOn(t, live.config, logr.Discard(), setup)
	return manager
}

// StartManagerOn is StartManager over a connection and with a log of the test's own. The returned function ends the
// manager before the test does.
func StartManagerOn(t *testing.T, connection *rest.Config, logger logr.Logger, setup func(ctrl.Manager) error) (ctrl.Manager, func()) {
	t.Helper()
	NeedCluster(t)
	anyName := true
	manager, err := ctrl.NewManager(connection, ctrl.Options{
		Scheme:     Scheme(),
		Logger:     logger,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Cache:      caches.Options(),
		Client:     client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}, Unstructured: true}},
		Controller: config.Controller{SkipNameValidation: &anyName},
	})
	if err == nil {
		err = setup(manager)
	}
	if err != nil {
		t.Fatal("setting up the manager:", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error("the manager ended with:", err)
		}
	})
	t.Cleanup(stop)
	if !manager.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the manager's caches weren't filled")
	}
	return manager, stop
}

// NewNamespace creates a namespace for a test. The Datasets in it end with the test.
func NewNamespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-"}}
	Create(t, namespace)
	EndWithTest(t, namespace.Name)
	return namespace.Name
}

// EndWithTest deletes the Datasets in a namespace when the test ends, also those that wait for a controller to release
// them. The manager of a later test would reconcile those that stay: one that can't be served is tried again and again.
func EndWithTest(t *testing.T, namespace string) {
	t.Helper()
	t.Cleanup(func() {
		datasets := &datav1alpha1.DatasetList{}
		if err := live.client.List(context.Background(), datasets, client.InNamespace(namespace)); err != nil {
			t.Error(err)
		}
		for i := range datasets.Items {
			dataset := &datasets.Items[i]
			release := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
			err := errors.Join(client.IgnoreNotFound(live.client.Delete(context.Background(), dataset)),
				client.IgnoreNotFound(live.client.Patch(context.Background(), dataset, release)))
			if err != nil {
				t.Errorf("deleting Dataset %s: %v", client.ObjectKeyFromObject(dataset), err)
			}
		}
	})
}

// Create creates objects.
func Create(t *testing.T, objects ...client.Object) {
	t.Helper()
	NeedCluster(t)
	for _, object := range objects {
		if err := live.client.Create(t.Context(), object); err != nil {
			t.Fatalf("creating %T %s: %v", object, client.ObjectKeyFromObject(object), err)
		}
	}
}

// Remove deletes objects, which needn't exist.
func Remove(t *testing.T, objects ...client.Object) {
	t.Helper()
	for _, object := range objects {
		if err := client.IgnoreNotFound(live.client.Delete(t.Context(), object)); err != nil {
			t.Fatalf("deleting %T %s: %v", object, client.ObjectKeyFromObject(object), err)
		}
	}
}

// Alter changes an object as it is now, also while Kubernetes' own controllers write it.
func Alter[T client.Object](t *testing.T, object T, change func(T)) T {
	t.Helper()
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		change(Refresh(t, object))
		return live.client.Update(t.Context(), object)
	})
	if err != nil {
		t.Fatalf("changing %T %s: %v", object, client.ObjectKeyFromObject(object), err)
	}
	return object
}

// Refresh reads an object anew.
func Refresh[T client.Object](t *testing.T, object T) T {
	t.Helper()
	if err := live.client.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatalf("reading %T %s: %v", object, client.ObjectKeyFromObject(object), err)
	}
	return object
}

// Exists reports whether an object exists.
func Exists(t *testing.T, object client.Object) bool {
	t.Helper()
	err := live.client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatalf("reading %T %s: %v", object, client.ObjectKeyFromObject(object), err)
	}
	return err == nil
}

// Eventually waits until a condition returns no complaint, and fails with the last one if it always has one.
func Eventually(t *testing.T, what string, complaint func() string) {
	t.Helper()
	harness.Eventually(t, Patience, func() error {
		if text := complaint(); text != "" {
			return fmt.Errorf("%s: %s", what, text)
		}
		return nil
	})
}

// EventuallyGone waits until none of the objects exists.
func EventuallyGone(t *testing.T, objects ...client.Object) {
	t.Helper()
	Eventually(t, "deletion", func() string {
		var left []string
		for _, object := range objects {
			if Exists(t, object) {
				left = append(left, fmt.Sprintf("%T %s (being deleted: %t, finalizers %v)",
					object, client.ObjectKeyFromObject(object), object.GetDeletionTimestamp() != nil, object.GetFinalizers()))
			}
		}
		return strings.Join(left, ", ")
	})
}

// Never watches for a while that a condition has no complaint.
func Never(t *testing.T, complaint func() string) {
	t.Helper()
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text := complaint(); text != "" {
			t.Fatal(text)
		}
	}
}
