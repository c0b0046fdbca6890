package reconcile

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
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
	// denied is when the API server last refused; zero while the watch runs.
	denied time.Time
}

// Start ends the watches when the manager ends.
func (s *secretWatches) Start(ctx context.Context) error {
	<-ctx.Done()
	s.keepOnly(nil)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.ended = true
	return nil
}

// ensure starts the watch of a namespace unless it runs or was refused a moment ago, and returns when to look at its Secrets
// again; zero if it is in sync, so that their changes are events.
func (s *secretWatches) ensure(namespace string) (again time.Duration, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	watch := s.namespaces[namespace]
	switch {
	case s.client == nil || s.ended:
		return secretDelay, nil
	case watch != nil && watch.denied.IsZero() && watch.informer.HasSynced():
		return 0, nil
	case watch != nil && watch.denied.IsZero():
		return secretDelay, nil // what is there when it is in sync are events
	case watch != nil && s.now().Sub(watch.denied) < unreadDelay/2:
		return unreadDelay, nil
	}
	watch, err = s.newWatch(namespace)
	if err != nil {
		return 0, fmt.Errorf("watching the Secrets of namespace %s: %w", namespace, err)
	}
	if s.namespaces == nil {
		s.namespaces = map[string]*secretWatch{}
	}
	s.namespaces[namespace] = watch
	go watch.informer.Run(watch.stop)
	return secretDelay, nil
}

func (s *secretWatches) newWatch(namespace string) (*secretWatch, error) {
	secrets := corev1.SchemeGroupVersion.WithResource("secrets")
	informer := metadatainformer.NewFilteredMetadataInformer(s.client, secrets, namespace, 0, cache.Indexers{}, nil).Informer()
	watch := &secretWatch{informer: informer, stop: make(chan struct{})}
	if err := informer.SetTransform(s.transform); err != nil {
		return nil, err
	}
	err := informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, r *cache.Reflector, err error) {
		if apierrors.IsForbidden(err) {
			s.deny(watch)
			return
		}
		cache.DefaultWatchErrorHandler(ctx, r, err)
	})
	if err != nil {
		return nil, err
	}
	return watch, s.connect(informer)
}

// deny ends a watch that isn't allowed, or no longer is.
func (s *secretWatches) deny(watch *secretWatch) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !watch.denied.IsZero() || s.ended {
		return
	}
	watch.denied = s.now()
	close(watch.stop)
	for _, object := range watch.informer.GetStore().List() {
		go s.lost(object.(client.Object))
	}
}

// keepOnly ends the watches of all other namespaces.
func (s *secretWatches) keepOnly(needed map[string]bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for namespace, watch := range s.namespaces {
		if needed[namespace] {
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
	watch := s.namespaces[key.Namespace]
	s.mutex.Unlock()
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
