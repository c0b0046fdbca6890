package inject

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/cache/cacheapi"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// maxKept is how many outcomes a memo keeps. A sidecar takes about 10 KB.
const maxKept = 1024

// memo keeps what was worked out from objects in informer caches, for as long as the caches have the same versions of all
// these objects: when one of them comes, changes or goes, it is worked out anew. So what is kept is never older than the
// caches are. Nothing is kept of what was read from anything else. The zero value is empty and ready.
type memo[K comparable, V any] struct {
	once sync.Once
	kept *lru.Cache
}

// outcome is what was worked out, and from what.
type outcome[V any] struct {
	value V
	reads []read
}

// of returns what work makes for a key. It must read by the Reader that it gets alone, and depend on nothing else that changes.
func (m *memo[K, V]) of(reader client.Reader, key K, work func(client.Reader) V) V {
	m.once.Do(func() { m.kept = lru.New(maxKept) })
	if kept, ok := m.kept.Get(key); ok && kept.(*outcome[V]).current() {
		return kept.(*outcome[V]).value
	}
	recorder := &recorder{Reader: reader}
	value := work(recorder)
	if !recorder.unwatched {
		m.kept.Add(key, &outcome[V]{value, recorder.reads})
	}
	return value
}

func (o *outcome[V]) current() bool {
	for _, r := range o.reads {
		if !r.current() {
			return false
		}
	}
	return true
}

// read is which version of an object a cache had; empty if it had none.
type read struct {
	store   toolscache.Store
	key     string
	version string
}

// current reports whether the cache still has this version. It never has one without a name.
func (r read) current() bool {
	object, present, err := r.store.GetByKey(r.key)
	if err != nil || !present {
		return err == nil && r.version == ""
	}
	versioned, ok := object.(metav1.Object)
	return ok && r.version != "" && versioned.GetResourceVersion() == r.version
}

// recorder reads objects without copying them, since what reads here changes nothing of them, and records their versions.
type recorder struct {
	client.Reader
	reads []read
	// unwatched says that something was read of which no later version would be seen, or that couldn't be read.
	unwatched bool
}

// Get ignores options: nobody here has any.
func (r *recorder) Get(ctx context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	store, err := storeOf(ctx, r.Reader, object)
	if err == nil {
		err = r.Reader.Get(ctx, key, object, client.UnsafeDisableDeepCopy)
	}
	if store == nil || client.IgnoreNotFound(err) != nil {
		r.unwatched = true
		return err
	}
	version := ""
	if err == nil {
		version = object.GetResourceVersion()
	}
	r.reads = append(r.reads, read{store, toolscache.ObjectName(key).String(), version})
	return err
}

// List is for what isn't asked of admissions: nothing is kept of it.
func (r *recorder) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	r.unwatched = true
	return r.Reader.List(ctx, list, options...)
}

// storeOf returns where informer caches have the objects of a kind; nil if the Reader is something else. Its errors are
// those that reading such an object has.
func storeOf(ctx context.Context, reader client.Reader, object client.Object) (toolscache.Store, error) {
	informers, ok := reader.(cacheapi.Informers)
	if !ok {
		return nil, nil
	}
	informer, err := informers.GetInformer(ctx, object, cacheapi.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	if shared, ok := informer.(toolscache.SharedInformer); ok {
		return shared.GetStore(), nil
	}
	return nil, nil
}
