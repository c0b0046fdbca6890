package certificate

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// RegisterMetrics registers when this process's certificate and the newest authority expire, in seconds since 1970; 0
// while there is none.
func (k *Keeper) RegisterMetrics(registerer prometheus.Registerer) error {
	expiry := func(kind string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "kubectl_fluid_webhook_certificate_expiry_timestamp_seconds",
			Help:        "When the webhook server's certificate (kind server) and the newest certificate authority (kind authority) expire, in seconds since 1970; 0 while there is none.",
			ConstLabels: prometheus.Labels{"kind": kind},
		}, value)
	}
	return errors.Join(
		registerer.Register(expiry("server", func() float64 {
			if certificate := k.server.Load(); certificate != nil {
				return float64(certificate.Leaf.NotAfter.Unix())
			}
			return 0
		})),
		registerer.Register(expiry("authority", func() float64 { return float64(k.authorityExpiry.Load()) })),
	)
}
