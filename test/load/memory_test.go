package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/caches"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// What a reference and the controller of 10,000 may take of the heap at most.
const (
	mostPerReference = 6 << 10
	mostOfAll        = 100 << 20
)

// TestRestartToAThousandHealthyReferencesWritesNothing: a controller that starts reads the contents of each mirror once, to
// compare them, and of their source a few times, and writes nothing.
func TestRestartToAThousandHealthyReferencesWritesNothing(t *testing.T) {
	const references = 1000
	c := newCanned(t, references)
	heapOfController(t, c)
	if writes := c.writes.Load(); writes > 0 {
		t.Errorf("it makes %d writes", writes)
	}
	if reads := c.reads.Load(); reads > references+100 {
		t.Errorf("it makes %d reads", reads)
	}
}

// BenchmarkMemory starts the reconcilers of references against an API server that only pretends to have them, so that
// 10,000 take seconds, and measures the heap that they leave in use. The controller's caches, indexes and queues are
// the real ones. A controller that starts to 1,000 or 10,000 healthy references writes nothing; the benchmark fails if
// it does, and if they take too much.
func BenchmarkMemory(b *testing.B) {
	for _, references := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("%d references", references), func(b *testing.B) {
			for b.Loop() {
				none := heapOfController(b, newCanned(b, 0))
				c := newCanned(b, references)
				all := heapOfController(b, c)
				b.ReportMetric((all-none)/1024/float64(references), "KiB/ref")
				b.ReportMetric(all/1024/1024, "MiB-heap")
				b.ReportMetric(float64(c.writes.Load()), "writes")
				b.ReportMetric(float64(c.reads.Load())/float64(references), "reads/ref")
				b.ReportMetric(0, "ns/op")
				if c.writes.Load() > 0 {
					b.Errorf("%d writes for references that are as they should be", c.writes.Load())
				}
				if (all-none)/float64(references) >= mostPerReference || all >= mostOfAll {
					b.Errorf("%.0f bytes for each reference, %.0f in all", (all-none)/float64(references), all)
				}
			}
		})
	}
}

// heapOfController returns the bytes of heap in use after a controller has looked at everything.
func heapOfController(b testing.TB, c *canned) float64 {
	b.Helper()
	ctrl.SetLogger(logr.Discard())
	scheme := apiruntime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), datav1alpha1.AddToScheme(scheme)); err != nil {
		b.Fatal(err)
	}
	anyName := true
	before := heapInUse()
	manager, err := ctrl.NewManager(&rest.Config{Host: c.server.URL, QPS: -1}, ctrl.Options{
		Scheme:         scheme,
		Metrics:        metricsserver.Options{BindAddress: "0"},
		Cache:          caches.Options(),
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return c.mapper(), nil },
		Client:         client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}, Unstructured: true}},
		Controller:     config.Controller{SkipNameValidation: &anyName},
	})
	if err == nil {
		err = reconcile.AddIndexes(b.Context(), manager)
	}
	if err != nil {
		b.Fatal(err)
	}
	writer := client.WithFieldOwner(manager.GetClient(), reference.FieldManager)
	references := &reconcile.ReferenceReconciler{Client: writer, Live: manager.GetAPIReader(), Recorder: manager.GetEventRecorder(reference.FieldManager),
		MirrorNames: reference.UniqueNames, Now: time.Now}
	if err := errors.Join(references.SetupWithManager(manager), (&reconcile.DatasetRefReconciler{Client: writer}).SetupWithManager(manager)); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	if !manager.GetCache().WaitForCacheSync(ctx) {
		b.Fatal("the caches weren't filled")
	}
	// The contents of each mirror are compared with those of its source once, which is read once or a few times.
	for end := time.Now().Add(10 * time.Minute); c.reads.Load() < int64(c.references); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("the mirrors of %d references were compared with %d reads", c.references, c.reads.Load())
		}
	}
	time.Sleep(time.Second) // and whatever is queued once more
	heap := heapInUse() - before
	runtime.KeepAlive(manager)
	cancel()
	if err := <-ended; err != nil {
		b.Error(err)
	}
	return heap
}
