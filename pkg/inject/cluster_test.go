package inject

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// cluster is what a handler reads: the objects of the physical Dataset default/phy of one runtime and of the reference
// ref/refdemo to it. A test changes them, or sets some to nil, and then asks for a reader.
type cluster struct {
	reference      *datav1alpha1.Dataset
	physical       *datav1alpha1.Dataset
	fuse           *appsv1.DaemonSet
	physicalVolume *corev1.PersistentVolume
	physicalClaim  *corev1.PersistentVolumeClaim
	others         []client.Object
}

func newCluster(t testing.TB, runtime string) *cluster {
	t.Helper()
	world := referencetest.World(t, runtime, physical)
	return &cluster{reference: world.Dataset, physical: world.Physical, fuse: world.Fuse,
		physicalVolume: world.PhysicalVolume, physicalClaim: world.PhysicalClaim}
}

// claim returns a PersistentVolumeClaim that has nothing to do with Fluid.
func claim(namespace, name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// reader returns a Reader of the cluster that counts what is read, and fails as a test wants.
func (c *cluster) reader(t testing.TB) *countingReader {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, datav1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(c.others...)
	if c.reference != nil {
		builder.WithObjects(c.reference)
	}
	if c.physical != nil {
		builder.WithObjects(c.physical)
	}
	if c.fuse != nil {
		builder.WithObjects(c.fuse)
	}
	if c.physicalVolume != nil {
		builder.WithObjects(c.physicalVolume)
	}
	if c.physicalClaim != nil {
		builder.WithObjects(c.physicalClaim)
	}
	return &countingReader{Reader: builder.Build(), kinds: map[string]bool{}}
}

// countingReader counts what is read. It is no client.Writer, so nobody who has it can write.
type countingReader struct {
	client.Reader
	reads int
	kinds map[string]bool // that were read, as kindOf names them
	// fails gives the error of reading an object, or nil.
	fails func(kind, name string) error
}

func (r *countingReader) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	r.reads++
	r.kinds[kindOf(object)] = true
	if r.fails != nil {
		if err := r.fails(fmt.Sprintf("%T", object), key.Name); err != nil {
			return err
		}
	}
	return r.Reader.Get(ctx, key, object, options...)
}

// kindOf names the kind of an object by its Go type, and what has none by what it says itself.
func kindOf(object client.Object) string {
	return fmt.Sprintf("%T %s", object, object.GetObjectKind().GroupVersionKind().Kind)
}

func (r *countingReader) List(context.Context, client.ObjectList, ...client.ListOption) error {
	panic("a list is too much to read for one pod")
}

func encode(t testing.TB, object any) []byte {
	t.Helper()
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// codes returns the codes of all findings that are named in a text, in order.
func codes(text string) []finding.Code {
	var found []finding.Code
	for i := 0; i+6 <= len(text); i++ {
		if _, known := finding.Explain(finding.Code(text[i : i+6])); known {
			found = append(found, finding.Code(text[i:i+6]))
		}
	}
	return found
}

// memory reads objects as informer caches do that aren't asked for copies.
type memory struct {
	cache.Cache
	mutex  sync.Mutex // of the map
	stores map[reflect.Type]toolscache.Store
	reads  atomic.Int64
}

// newMemory has the objects of the physical Dataset default/phy, of the reference ref/refdemo to it, and of its namespace.
func newMemory(t testing.TB) *memory {
	t.Helper()
	world := referencetest.World(t, "alluxio", physical)
	plan := reference.NewPlan(world)
	namespace := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "ref"}}
	m := &memory{stores: map[reflect.Type]toolscache.Store{}}
	for i, object := range []client.Object{world.Dataset, world.Physical, world.Fuse, world.PhysicalVolume, world.PhysicalClaim,
		plan.ThinRuntime, plan.Volume, plan.Claim, namespace} {
		object.SetResourceVersion(fmt.Sprint(i))
		m.put(t, object)
	}
	return m
}

// store has the objects of a kind.
func (m *memory) store(object client.Object) toolscache.Store {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	kind := reflect.TypeOf(object)
	if m.stores[kind] == nil {
		m.stores[kind] = toolscache.NewStore(toolscache.MetaNamespaceKeyFunc)
	}
	return m.stores[kind]
}

func (m *memory) put(t testing.TB, object client.Object) {
	t.Helper()
	if err := m.store(object).Add(object); err != nil {
		t.Fatal(err)
	}
}

// change puts a new version of an object in the place of one, as a watch does; a change of nil takes it away.
func (m *memory) change(t testing.TB, object client.Object, change func(client.Object)) {
	t.Helper()
	if change == nil {
		if err := m.store(object).Delete(object); err != nil {
			t.Fatal(err)
		}
		return
	}
	changed := object.DeepCopyObject().(client.Object)
	changed.SetResourceVersion(object.GetResourceVersion() + "0")
	change(changed)
	m.put(t, changed)
}

func (m *memory) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	m.reads.Add(1)
	found, ok, err := m.store(object).GetByKey(toolscache.ObjectName(key).String())
	if err != nil {
		return err
	}
	if !ok {
		return notFound(key.Name)
	}
	reflect.ValueOf(object).Elem().Set(reflect.ValueOf(found).Elem())
	return nil
}

func (m *memory) GetInformer(_ context.Context, object client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	return memoryInformer{store: m.store(object)}, nil
}

// memoryInformer is asked for nothing but its store.
type memoryInformer struct {
	toolscache.SharedIndexInformer
	store toolscache.Store
}

func (i memoryInformer) GetStore() toolscache.Store { return i.store }

func notFound(name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "things"}, name)
}
