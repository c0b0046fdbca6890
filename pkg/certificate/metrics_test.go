package certificate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsSayWhenCertificatesExpire(t *testing.T) {
	s := newServer(configurations()...)
	keeper := s.keeper()
	registry := prometheus.NewRegistry()
	if err := keeper.RegisterMetrics(registry); err != nil {
		t.Fatal(err)
	}
	check := func(authority, server int64) {
		t.Helper()
		want := fmt.Sprintf(`
# HELP kubectl_fluid_webhook_certificate_expiry_timestamp_seconds When the webhook server's certificate (kind server) and the newest certificate authority (kind authority) expire, in seconds since 1970; 0 while there is none.
# TYPE kubectl_fluid_webhook_certificate_expiry_timestamp_seconds gauge
kubectl_fluid_webhook_certificate_expiry_timestamp_seconds{kind="authority"} %d
kubectl_fluid_webhook_certificate_expiry_timestamp_seconds{kind="server"} %d
`, authority, server)
		if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	check(0, 0)
	keep(t, keeper)
	check(start.Add(AuthorityLifetime).Unix(), start.Add(ServerLifetime).Unix())
	s.now = start.Add(AuthorityLifetime - 1)
	keep(t, keeper)
	// The old authority still signs, and its own end is the end of what it signs.
	check(s.now.Add(AuthorityLifetime).Unix(), start.Add(AuthorityLifetime).Unix())
}
