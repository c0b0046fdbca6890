package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestAnAdmissionMakesNoRequest: with the caches that the controller has, filled from a real API server, 200 pods are
// injected, dry runs or not, and 20 refused, without a single request of any kind.
func TestAnAdmissionMakesNoRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("a test on a cluster")
	}
	e := newEnvironment(t)
	namespace := e.newNamespace(t)
	e.create(t, newReference(namespace, "refdemo", e.newPhysical(t)), newReference(namespace, "broken", "nowhere"))

	var requests atomic.Int64
	config := rest.CopyConfig(e.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			requests.Add(1)
			return next.RoundTrip(request)
		})
	})
	options := reconcile.CacheOptions()
	options.Scheme = e.scheme
	caches, err := cache.New(config, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	for _, kind := range inject.Kinds() {
		if _, err := caches.GetInformer(ctx, kind, cache.BlockUntilSynced(false)); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _ = caches.Start(ctx) }() // It ends with the test.
	if !caches.WaitForCacheSync(ctx) {
		t.Fatal("the caches weren't filled")
	}
	handler := &inject.PodHandler{Reader: caches, MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	admit := func(claim string, i int, dryRun bool) admission.Response {
		pod := newPod(namespace, fmt.Sprint(claim, "-", i))
		pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = claim
		raw, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		return handler.Handle(ctx, admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
			UID: types.UID(pod.Name), Namespace: namespace, Operation: admissionv1.Create, DryRun: &dryRun, Object: k8sruntime.RawExtension{Raw: raw}}})
	}
	if err := await(10*time.Second, func() error {
		if response := admit("refdemo", 0, true); response.Patch == nil {
			return fmt.Errorf("no sidecar: %+v", response)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	before := requests.Load()
	for i := range 200 {
		if response := admit("refdemo", i, i%2 == 0); response.Patch == nil {
			t.Fatalf("no sidecar: %+v", response)
		}
	}
	for i := range 20 {
		if response := admit("broken", i, i%2 == 0); response.Allowed {
			t.Fatalf("admitted: %+v", response)
		}
	}
	if made := requests.Load() - before; before == 0 || made != 0 {
		t.Errorf("%d requests before, %d during the admissions", before, made)
	}
}
