package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/caches"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// environment is a control plane without a controller of this project's.
type environment struct {
	ctx     context.Context
	cluster *cluster.Cluster
	config  *rest.Config
	scheme  *runtime.Scheme
	client  client.WithWatch
	// writes counts those of controllers, without events, and refused those of them that the API server didn't accept, as in
	// a conflict; reads counts their requests for one object.
	writes, refused, reads atomic.Int64
	// datasets is the controller's informer, while there is a controller.
	datasets cache.Informer
	// references is how many have been made so far.
	references int
}

func newEnvironment(b testing.TB) *environment {
	b.Helper()
	ctx := context.Background()
	ctrl.SetLogger(logr.Discard())
	debug.SetGCPercent(200) // as the controller's Deployment does
	c, err := cluster.Start(ctx, cluster.Options{StateDir: b.TempDir(), Out: os.Stderr})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if stopErr := c.Stop(ctx); stopErr != nil {
			b.Error(stopErr)
		}
	})
	e := &environment{ctx: ctx, cluster: c, scheme: runtime.NewScheme()}
	if e.config, err = c.RESTConfig(); err != nil {
		b.Fatal(err)
	}
	if err = errors.Join(clientgoscheme.AddToScheme(e.scheme), datav1alpha1.AddToScheme(e.scheme)); err != nil {
		b.Fatal(err)
	}
	e.config.WarningHandlerWithContext, e.config.DisableCompression = rest.NoWarnings{}, true // as the controller's
	if e.client, err = client.NewWithWatch(e.config, client.Options{Scheme: e.scheme}); err != nil {
		b.Fatal(err)
	}
	// On a cluster with Fluid there are its other runtimes too.
	if err := harness.InstallCRDs(ctx, e.client, "testdata/alluxioruntimes.yaml"); err != nil {
		b.Fatal(err)
	}
	return e
}

func (e *environment) create(b testing.TB, objects ...client.Object) {
	b.Helper()
	for _, object := range objects {
		if err := e.client.Create(e.ctx, object); err != nil {
			b.Fatalf("creating %T %s: %v", object, client.ObjectKeyFromObject(object), err)
		}
	}
}

func (e *environment) newNamespace(b testing.TB) string {
	b.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "load-"}}
	e.create(b, namespace)
	return namespace.Name
}

// newPhysical creates the physical Dataset phy of an AlluxioRuntime in a namespace of its own.
func (e *environment) newPhysical(b testing.TB) (namespace string) {
	b.Helper()
	namespace = e.newNamespace(b)
	w := referencetest.World(b, "alluxio", "dataset://default/phy")
	dataset := w.Physical
	dataset.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: "phy"}
	dataset.Status.DatasetRef = nil
	status := dataset.Status
	runtime := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	runtime.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind("AlluxioRuntime"))
	runtime.SetNamespace(namespace)
	runtime.SetName("phy")
	w.Fuse.ObjectMeta = metav1.ObjectMeta{Namespace: namespace, Name: w.Fuse.Name}
	w.PhysicalVolume.ObjectMeta = metav1.ObjectMeta{Name: namespace + "-phy", Annotations: w.PhysicalVolume.Annotations}
	w.PhysicalVolume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: namespace, Name: "phy"}
	e.create(b, runtime, w.Fuse, w.PhysicalVolume, dataset)
	dataset.Status = status
	if err := e.client.Status().Update(e.ctx, dataset); err != nil {
		b.Fatal(err)
	}
	for source := range w.Seen {
		e.create(b, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: source.Name}, Data: map[string]string{"key": "value"}})
	}
	return namespace
}

// startController runs the reconcilers of references as the controller does, until stop is called.
func (e *environment) startController(b *testing.B) (stop func()) {
	b.Helper()
	anyName := true
	manager, err := ctrl.NewManager(e.counted(), ctrl.Options{
		Scheme:     e.scheme,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Cache:      caches.Options(),
		Client:     client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}, Unstructured: true}},
		Controller: config.Controller{SkipNameValidation: &anyName},
	})
	if err == nil {
		err = reconcile.AddIndexes(e.ctx, manager)
	}
	if err != nil {
		b.Fatal("making the manager:", err)
	}
	writer := client.WithFieldOwner(manager.GetClient(), reference.FieldManager)
	references := &reconcile.ReferenceReconciler{Client: writer, Live: manager.GetAPIReader(), Recorder: manager.GetEventRecorder(reference.FieldManager),
		MirrorNames: reference.UniqueNames, Now: time.Now}
	if err = errors.Join(references.SetupWithManager(manager), (&reconcile.DatasetRefReconciler{Client: writer}).SetupWithManager(manager)); err != nil {
		b.Fatal("setting up the reconcilers:", err)
	}
	if e.datasets, err = manager.GetCache().GetInformer(e.ctx, &datav1alpha1.Dataset{}, cache.BlockUntilSynced(false)); err != nil {
		b.Fatal(err)
	}
	reads := e.reads.Load()
	ctx, cancel := context.WithCancel(e.ctx)
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	if !manager.GetCache().WaitForCacheSync(ctx) {
		b.Fatal("the manager's caches weren't filled")
	}
	// It looks at what is there already, and reads each mirror once, to compare it with its source.
	err = harness.Await(2*time.Minute, func() error {
		if made := e.reads.Load() - reads; made < int64(e.references) {
			return fmt.Errorf("a controller that starts has made %d reads for %d references", made, e.references)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	e.settle(b)
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error("the manager ended with:", err)
		}
	}
}

// settle waits until the controller has made no request for a while.
func (e *environment) settle(b testing.TB) {
	b.Helper()
	seen, since := int64(-1), time.Now()
	for end := time.Now().Add(2 * time.Minute); time.Since(since) < 2*time.Second; time.Sleep(50 * time.Millisecond) {
		if made := e.reads.Load() + e.writes.Load(); made != seen {
			seen, since = made, time.Now()
		}
		if time.Now().After(end) {
			b.Fatal("the controller is still busy with what was there already")
		}
	}
}

// counted returns the configuration of a client whose writes are counted.
func (e *environment) counted() *rest.Config {
	counted := rest.CopyConfig(e.config)
	counted.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			isWrite := request.Method != http.MethodGet && !strings.Contains(request.URL.Path, "/events")
			if isWrite {
				e.writes.Add(1)
			}
			if request.Method == http.MethodGet && request.URL.RawQuery == "" {
				e.reads.Add(1)
			}
			response, err := next.RoundTrip(request)
			if isWrite && (err != nil || response.StatusCode >= http.StatusMultipleChoices) {
				e.refused.Add(1)
			}
			return response, err
		})
	})
	return counted
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// bareSet is what is written for one reference, but for a Dataset that isn't one and without the versions that patches expect.
type bareSet struct {
	dataset       *datav1alpha1.Dataset
	metadata      client.Patch
	objects       []client.Object
	thinStatus    client.Patch
	datasetStatus client.Patch
	// list is written to the status of a physical Dataset; nil for most references.
	list client.Patch
}

func newBareSet(b *testing.B, namespace, name string) *bareSet {
	b.Helper()
	w := referencetest.World(b, "alluxio", "dataset://default/phy")
	w.Dataset.Namespace, w.Dataset.Name = namespace, name
	w.Physical.Status.DatasetRef = []string{namespace + "/" + name}
	plan := reference.NewPlan(w)
	if !plan.Ready() {
		b.Fatal("a set for the bare client can't be made:", plan.Findings)
	}
	mirror := &corev1.ConfigMap{ObjectMeta: reference.NewMirror(w.Dataset, plan.Mirrors[0], &metav1.ObjectMeta{}), Data: map[string]string{"key": "value"}}
	set := &bareSet{
		dataset: &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec: datav1alpha1.DatasetSpec{Mounts: []datav1alpha1.Mount{{MountPoint: "https://example.com/"}}}},
		objects: []client.Object{mirror, plan.ThinRuntime, plan.Volume, plan.Claim},
	}
	metadata, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"finalizers": []string{datav1alpha1.FinalizerDataset},
		"labels":     map[string]string{datav1alpha1.LabelDatasetID: reference.DatasetID(set.dataset)},
	}})
	if err != nil {
		b.Fatal(err)
	}
	set.metadata = client.RawPatch(types.MergePatchType, metadata)
	reference.StampCondition(&plan.Status, metav1.Now())
	set.thinStatus, set.datasetStatus = statusPatch(b, plan.RuntimeStatus), statusPatch(b, plan.Status)
	return set
}

func statusPatch(b *testing.B, status any) client.Patch {
	b.Helper()
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		b.Fatal(err)
	}
	return client.RawPatch(types.MergePatchType, patch)
}

// listPatch writes a list of n references; the bare client writes it to one of its own Datasets.
func listPatch(b *testing.B, namespace string, n int) client.Patch {
	b.Helper()
	var list []string // null if empty, which takes the field away
	for i := range n {
		list = append(list, fmt.Sprintf("%s/bare-%04d", namespace, i))
	}
	return statusPatch(b, map[string]any{"datasetRef": list})
}

// write makes the writes in the order in which the controller does, as another field manager than the Dataset's creator.
func (s *bareSet) write(e *environment) error {
	manager := client.WithFieldOwner(e.client, reference.FieldManager)
	if err := errors.Join(e.client.Create(e.ctx, s.dataset), manager.Patch(e.ctx, s.dataset, s.metadata)); err != nil {
		return err
	}
	for _, object := range s.objects {
		if owners := object.GetOwnerReferences(); len(owners) > 0 {
			owners[0].UID = s.dataset.UID
			object.SetOwnerReferences(owners)
		}
		if err := manager.Create(e.ctx, object); err != nil {
			return fmt.Errorf("creating %T %s: %w", object, client.ObjectKeyFromObject(object), err)
		}
	}
	err := errors.Join(
		manager.Status().Patch(e.ctx, s.objects[1], s.thinStatus),
		manager.Status().Patch(e.ctx, s.dataset, s.datasetStatus),
	)
	if err == nil && s.list != nil {
		err = manager.Status().Patch(e.ctx, s.dataset, s.list)
	}
	return err
}
