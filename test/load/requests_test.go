package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	appsv1 "k8s.io/api/apps/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/caches"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
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
	h := e.newHandler(t)
	h.awaitPatch(t, namespace, "refdemo", "fluid-fuse-0")
	before := h.requests.Load()
	for i := range 200 {
		if response := h.admit(t, namespace, "refdemo", i%2 == 0); response.Patch == nil {
			t.Fatalf("no sidecar: %+v", response)
		}
	}
	for i := range 20 {
		if response := h.admit(t, namespace, "broken", i%2 == 0); response.Allowed {
			t.Fatalf("admitted: %+v", response)
		}
	}
	if made := h.requests.Load() - before; before == 0 || made != 0 {
		t.Errorf("%d requests before, %d during the admissions", before, made)
	}
}

// TestPodsGetTheSidecarOfTheCachesAsTheyAre changes what sidecars are made from on a real API server, between pods.
func TestPodsGetTheSidecarOfTheCachesAsTheyAre(t *testing.T) {
	if testing.Short() {
		t.Skip("a test on a cluster")
	}
	e := newEnvironment(t)
	namespace, physical := e.newNamespace(t), e.newPhysical(t)
	dataset := newReference(namespace, "refdemo", physical)
	e.create(t, dataset)
	h := e.newHandler(t)
	h.awaitPatch(t, namespace, "refdemo", "fluid-fuse-0")

	fuses := &appsv1.DaemonSetList{}
	if err := e.client.List(e.ctx, fuses, client.InNamespace(physical)); err != nil || len(fuses.Items) != 1 {
		t.Fatalf("%d DaemonSets, %v", len(fuses.Items), err)
	}
	fuse := &fuses.Items[0]
	for i := range 3 {
		image := fmt.Sprint("example.com/fuse:", i)
		before := fuse.DeepCopy()
		fuse.Spec.Template.Spec.Containers[0].Image = image
		if err := e.client.Patch(e.ctx, fuse, client.MergeFrom(before)); err != nil {
			t.Fatal(err)
		}
		h.awaitPatch(t, namespace, "refdemo", image)
	}
	if err := e.client.Delete(e.ctx, dataset); err != nil {
		t.Fatal(err)
	}
	h.awaitPatch(t, namespace, "refdemo", "")
	e.create(t, newReference(namespace, "refdemo", physical))
	h.awaitPatch(t, namespace, "refdemo", "example.com/fuse:2")
}

// handler is what answers the webhook's calls, with the caches that the controller has.
type handler struct {
	*inject.PodHandler
	requests *atomic.Int64 // that the caches have made
}

func (e *environment) newHandler(t *testing.T) handler {
	t.Helper()
	requests := &atomic.Int64{}
	config := rest.CopyConfig(e.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			requests.Add(1)
			return next.RoundTrip(request)
		})
	})
	options := caches.Options()
	options.Scheme = e.scheme
	caches, err := cache.New(config, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(e.ctx)
	t.Cleanup(cancel)
	changes, err := inject.Watch(ctx, caches)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = caches.Start(ctx) }() // It ends with the test.
	if !caches.WaitForCacheSync(ctx) {
		t.Fatal("the caches weren't filled")
	}
	return handler{&inject.PodHandler{Reader: caches, Changes: changes, MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}, requests}
}

// admit asks the handler about a pod that mounts a claim.
func (h handler) admit(t *testing.T, namespace, claim string, dryRun bool) admission.Response {
	t.Helper()
	pod := newPod(namespace, "nginx")
	pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName = claim
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return h.Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "0e6ae374-0af3-4d3f-b5a0-c5d1c2b1a1f5", Namespace: namespace, Operation: admissionv1.Create, DryRun: &dryRun, Object: k8sruntime.RawExtension{Raw: raw}}})
}

// awaitPatch waits until pods get a patch with a text in it, or none if the text is empty.
func (h handler) awaitPatch(t *testing.T, namespace, claim, text string) {
	t.Helper()
	if err := harness.Await(10*time.Second, func() error {
		if response := h.admit(t, namespace, claim, true); text == "" && response.Patch != nil || !bytes.Contains(response.Patch, []byte(text)) {
			return fmt.Errorf("the answer isn't that with %q: %+v", text, response)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
