package reconcile

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestARefusedWatchOfSecretsIsTriedAgainByItself: no reconcile has to ask for it, the requests become rare while it is
// refused, and none is made any more for a namespace that isn't needed.
func TestARefusedWatchOfSecretsIsTriedAgainByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lists atomic.Int32
		var allowed atomic.Bool
		watches := refusedWatches(t, &lists, &allowed)
		key := types.NamespacedName{Namespace: "ref", Name: "token"}
		if inSync, err := watches.ensure("ref"); inSync || err != nil {
			t.Fatalf("a new watch is in sync: %t, error: %v", inSync, err)
		}
		synctest.Wait()
		if _, known := watches.get(key); known || lists.Load() != 1 {
			t.Fatalf("after a refusal the Secret is known: %t, lists: %d", known, lists.Load())
		}
		time.Sleep(time.Hour)
		if n := lists.Load(); n < 10 || n > 20 {
			t.Errorf("%d lists were asked for in an hour of refusals, want one each five minutes and some more at first", n)
		}
		allowed.Store(true)
		time.Sleep(secretDelay)
		synctest.Wait()
		secret, known := watches.get(key)
		if inSync, err := watches.ensure("ref"); !known || secret == nil || !inSync || err != nil {
			t.Errorf("once allowed the Secret is known: %t, %v; in sync: %t, error: %v", known, secret, inSync, err)
		}
		watches.keepNeeded(func(string) bool { return false })
	})
	synctest.Test(t, func(t *testing.T) {
		var lists atomic.Int32
		watches := refusedWatches(t, &lists, &atomic.Bool{})
		if _, err := watches.ensure("ref"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		watches.keepNeeded(func(string) bool { return false })
		time.Sleep(time.Hour)
		if n := lists.Load(); n != 1 {
			t.Errorf("%d lists were asked for, but nothing needed the namespace after the first", n)
		}
	})
}

// TestAWatchOfSecretsStaysThatSomebodyBeganToNeed: while one reference goes and its watches with it, another one comes.
func TestAWatchOfSecretsStaysThatSomebodyBeganToNeed(t *testing.T) {
	var lists atomic.Int32
	var allowed atomic.Bool
	r := &ReferenceReconciler{}
	r.secrets.client = refusedWatches(t, &lists, &allowed).client
	r.secrets.now, r.secrets.transform = time.Now, func(object any) (any, error) { return object, nil }
	r.secrets.connect, r.secrets.lost = func(cache.SharedIndexInformer) error { return nil }, func(client.Object) {}
	comes := func(namespace string) {
		plan := &reference.Plan{Reference: types.NamespacedName{Namespace: namespace, Name: "demo"}}
		plan.Mirrors = []reference.Mirror{{Original: finding.Object{Kind: "Secret", Namespace: namespace + "-physical", Name: "token"},
			Target: finding.Object{Kind: "Secret", Namespace: namespace, Name: "demo-token"}}}
		r.inputs.remember(plan)
		if _, err := r.watchSecrets(plan.Reference); err != nil {
			t.Error(err)
		}
	}
	for range 5000 {
		comes("goes")
		var group sync.WaitGroup
		group.Go(func() { r.forget(types.NamespacedName{Namespace: "goes", Name: "demo"}) })
		group.Go(func() { comes("stays") })
		group.Wait()
		r.secrets.mutex.Lock()
		watched := slices.Sorted(maps.Keys(r.secrets.namespaces))
		r.secrets.mutex.Unlock()
		if want := []string{"stays", "stays-physical"}; !slices.Equal(watched, want) {
			t.Fatalf("watched are %v, want %v", watched, want)
		}
		r.forget(types.NamespacedName{Namespace: "stays", Name: "demo"})
	}
}

// refusedWatches returns watches whose API server refuses to list Secrets until it is allowed.
func refusedWatches(t *testing.T, lists *atomic.Int32, allowed *atomic.Bool) *secretWatches {
	scheme := runtime.NewScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	secret := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: "token"}}
	server := fake.NewSimpleMetadataClient(scheme, secret)
	server.PrependReactor("list", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		lists.Add(1)
		if allowed.Load() {
			return false, nil, nil
		}
		return true, nil, apierrors.NewForbidden(corev1.Resource("secrets"), "", nil)
	})
	return &secretWatches{client: server, transform: func(object any) (any, error) { return object, nil }, now: time.Now,
		connect: func(cache.SharedIndexInformer) error { return nil }, lost: func(client.Object) {}}
}
