package inject

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Results of admissions, the values of the label result.
const (
	// ResultInjected: the pod got its sidecars.
	ResultInjected = "injected"
	// ResultAllowed: nothing was changed.
	ResultAllowed = "allowed"
	// ResultDenied: a finding is in the way; the label code has which.
	ResultDenied = "denied"
	// ResultInvalid: what the API server sent isn't what the webhook is for.
	ResultInvalid = "invalid"
	// ResultFailed: the webhook couldn't decide.
	ResultFailed = "failed"
)

// Metrics counts and times admissions.
type Metrics struct {
	admissions *prometheus.CounterVec
	duration   *prometheus.HistogramVec
}

// NewMetrics registers the metrics.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		admissions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "kubectl_fluid_admissions_total",
			Help: "Admission requests by webhook (pods or datasets), result (injected, allowed, denied, invalid or failed) and, if denied, the code of the first finding.",
		}, []string{"webhook", "result", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "kubectl_fluid_admission_duration_seconds",
			Help:    "How long the decision on an admission request took, without the reading of the request and the writing of the answer.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"webhook"}),
	}
	return m, errors.Join(registerer.Register(m.admissions), registerer.Register(m.duration))
}

// Observe returns the handler with its decisions counted and timed under a webhook's name.
func (m *Metrics) Observe(webhook string, handler admission.Handler) admission.Handler {
	duration := m.duration.WithLabelValues(webhook)
	return admission.HandlerFunc(func(ctx context.Context, request admission.Request) admission.Response {
		started := time.Now()
		// What a handler that panics would have decided isn't known.
		result, code := ResultFailed, ""
		defer func() {
			duration.Observe(time.Since(started).Seconds())
			m.admissions.WithLabelValues(webhook, result, code).Inc()
		}()
		response := handler.Handle(ctx, request)
		result, code = resultOf(response), response.AuditAnnotations[auditFinding]
		return response
	})
}

func resultOf(response admission.Response) string {
	switch {
	case response.Allowed && response.Patch != nil:
		return ResultInjected
	case response.Allowed:
		return ResultAllowed
	case response.Result == nil || response.Result.Code == http.StatusForbidden:
		return ResultDenied
	case response.Result.Code < http.StatusInternalServerError:
		return ResultInvalid
	}
	return ResultFailed
}
