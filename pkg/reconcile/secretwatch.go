package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// secretWatches watches the metadata of Secrets in those namespaces only in which references need some, and only where
// the controller may list and watch them there: no right to the Secrets of the whole cluster is needed. Where it may
// not, Secrets are read live.
type secretWatches struct {
	client    metadata.Interface
	transform cache.TransformFunc
	// connect makes the events of an informer reach the reconciler; lost tells it of a Secret that isn't watched any more.
	connect func(cache.SharedIndexInformer) error
	lost    func(client.Object)
	now     func() time.Time

	mutex      sync.Mutex
	ended      bool
	namespaces map[string]*secretWatch
}

type secretWatch struct {
	informer cache.SharedIndexInformer
	stop     chan struct{}
	// denied is when the API server refused; zero while the watch runs.
	denied time.Time
	// again is how long after a refusal it is tried again.
	again time.Duration
}

// Start ends the watches when the manager ends.
func (s *secretWatches) Start(ctx context.Context) error {
	<-ctx.Done()
	s.keepNeeded(func(string) bool { return false })
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ended = true
	return nil
}

// ensure starts the watch of a namespace unless it runs or was refused a moment ago, and reports whether it is in sync, so
// that changes of its Secrets are events. What is there when it comes in sync are events too.
func (s *secretWatches) ensure(namespace string) (inSync bool, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	watch := s.namespaces[namespace]
	switch {
	case s.client == nil || s.ended:
		return false, nil
	case watch == nil, !watch.denied.IsZero() && s.now().Sub(watch.denied) >= unreadDelay/2:
		return false, s.run(namespace, rewatchDelay)
	}
	return watch.denied.IsZero() && watch.informer.HasSynced(), nil
}

// run starts the watch of a namespace. The caller holds the mutex.
func (s *secretWatches) run(namespace string, again time.Duration) error {
	secrets := corev1.SchemeGroupVersion.WithResource("secrets")
	informer := metadatainformer.NewFilteredMetadataInformer(s.client, secrets, namespace, 0, cache.Indexers{}, nil).Informer()
	watch := &secretWatch{informer: informer, stop: make(chan struct{}), again: again}
	err := errors.Join(informer.SetTransform(s.transform),
		informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, r *cache.Reflector, err error) {
			if apierrors.IsForbidden(err) {
				s.deny(namespace, watch)
				return
			}
			cache.DefaultWatchErrorHandler(ctx, r, err)
		}),
		s.connect(informer))
	if err != nil {
		return fmt.Errorf("watching the Secrets of namespace %s: %w", namespace, err)
	}
	if s.namespaces == nil {
		s.namespaces = map[string]*secretWatch{}
	}
	s.namespaces[namespace] = watch
	go informer.Run(watch.stop)
	return nil
}

// deny ends a watch that isn't allowed, or no longer is, and tries it again later.
func (s *secretWatches) deny(namespace string, watch *secretWatch) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !watch.denied.IsZero() || s.namespaces[namespace] != watch {
		return
	}
	watch.denied = s.now()
	close(watch.stop)
	for _, object := range watch.informer.GetStore().List() {
		go s.lost(object.(client.Object))
	}
	time.AfterFunc(watch.again, func() { s.retry(namespace, watch) })
}

// retry starts a refused watch again, if it is still the last of its namespace and needed.
func (s *secretWatches) retry(namespace string, refused *secretWatch) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.ended || s.namespaces[namespace] != refused {
		return
	}
	utilruntime.HandleError(s.run(namespace, min(2*refused.again, secretDelay)))
}

// keepNeeded ends the watches of all namespaces that aren't needed. That is asked here, under the lock: an answer from
// before somebody else began to need one, and started its watch, would end that.
func (s *secretWatches) keepNeeded(needed func(namespace string) bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for namespace, watch := range s.namespaces {
		if needed(namespace) {
			continue
		}
		if watch.denied.IsZero() {
			close(watch.stop)
		}
		delete(s.namespaces, namespace)
	}
}

// get returns the metadata of a Secret, nil if there is none; known says whether its namespace is watched.
func (s *secretWatches) get(key types.NamespacedName) (secret *metav1.PartialObjectMetadata, known bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	watch := s.namespaces[key.Namespace]
	if watch == nil || !watch.denied.IsZero() || !watch.informer.HasSynced() {
		return nil, false
	}
	object, exists, err := watch.informer.GetStore().GetByKey(key.String())
	if err != nil || !exists {
		return nil, err == nil
	}
	return object.(*metav1.PartialObjectMetadata), true
}

// secretReader reads the metadata of Secrets from the watches where there are any.
type secretReader struct {
	client.Reader
	secrets *secretWatches
}

// Get reads an object. That of a Secret mustn't be changed.
func (r secretReader) Get(ctx context.Context, key types.NamespacedName, object client.Object, options ...client.GetOption) error {
	partial, isMetadata := object.(*metav1.PartialObjectMetadata)
	if isMetadata && partial.GroupVersionKind() == corev1.SchemeGroupVersion.WithKind("Secret") {
		if secret, known := r.secrets.get(key); known && secret == nil {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
		} else if known {
			partial.ObjectMeta = secret.ObjectMeta
			return nil
		}
	}
	return r.Reader.Get(ctx, key, object, options...)
}
