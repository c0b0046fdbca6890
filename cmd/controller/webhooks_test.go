package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
)

// TestAReplicaIsNotReadyBeforeItsCachesAreFilled: until then it would not know of Datasets that there are.
func TestAReplicaIsNotReadyBeforeItsCachesAreFilled(t *testing.T) {
	for _, synced := range []bool{false, true} {
		check := cachesSynced(&informertest.FakeInformers{Synced: &synced})
		request := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/readyz", nil)
		if err := check(request); (err == nil) != synced {
			t.Errorf("with caches that are filled %t: %v", synced, err)
		}
	}
}

// TestTheWebhooksCertificateIsForEachService that the webhook configurations name.
func TestTheWebhooksCertificateIsForEachService(t *testing.T) {
	want := []string{"webhook.system.svc", "webhook-0.system.svc", "webhook-1.system.svc"}
	if got := serverNames("webhook", "system"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
