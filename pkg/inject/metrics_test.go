package inject

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestAdmissionsAreCountedByResultAndReason sends what each result comes from through the handlers.
func TestAdmissionsAreCountedByResultAndReason(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	pods := func(change func(*cluster)) admission.Handler {
		c := newCluster(t, "thin")
		change(c)
		return metrics.Observe("pods", &PodHandler{Reader: c.reader(t), NativeSidecars: true})
	}
	whole, noFuse := pods(func(*cluster) {}), pods(func(c *cluster) { c.fuse = nil })
	whole.Handle(t.Context(), podRequest("ref", readPod(t, "nginx")))
	whole.Handle(t.Context(), podRequest("ref", readPod(t, "nginx")))
	whole.Handle(t.Context(), podRequest("ref", []byte(`{}`)))
	whole.Handle(t.Context(), podRequest("ref", []byte(`[]`)))
	noFuse.Handle(t.Context(), podRequest("ref", readPod(t, "nginx")))
	dataset := metrics.Observe("datasets", &DatasetHandler{Reader: newCluster(t, "thin").reader(t), Sharing: reference.SharingOpen})
	dataset.Handle(t.Context(), podRequest("ref", []byte(`{"metadata":{"name":"r"},"spec":{"mounts":[{"mountPoint":"dataset://x"}]}}`)))
	metrics.Observe("datasets", admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
		return admission.Errored(http.StatusInternalServerError, errors.New("the cache is gone"))
	})).Handle(t.Context(), admission.Request{})
	want := `
# HELP kubectl_fluid_admissions_total Admission requests by webhook (pods or datasets), result (injected, allowed, denied, invalid or failed) and, if denied, the code of the first finding.
# TYPE kubectl_fluid_admissions_total counter
kubectl_fluid_admissions_total{code="",result="allowed",webhook="pods"} 1
kubectl_fluid_admissions_total{code="",result="failed",webhook="datasets"} 1
kubectl_fluid_admissions_total{code="",result="injected",webhook="pods"} 2
kubectl_fluid_admissions_total{code="",result="invalid",webhook="pods"} 1
kubectl_fluid_admissions_total{code="KF2003",result="denied",webhook="pods"} 1
kubectl_fluid_admissions_total{code="KF3001",result="denied",webhook="datasets"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "kubectl_fluid_admissions_total"); err != nil {
		t.Error(err)
	}
	if count, err := testutil.GatherAndCount(registry, "kubectl_fluid_admission_duration_seconds"); count != 2 || err != nil {
		t.Errorf("%d histograms, %v", count, err)
	}
	if problems, err := testutil.GatherAndLint(registry); len(problems) > 0 || err != nil {
		t.Error(problems, err)
	}
	if _, err := NewMetrics(registry); err == nil {
		t.Error("they can be registered twice")
	}
}

// TestAHandlerThatPanicsIsCounted: it has failed, and what recovers is asked as before.
func TestAHandlerThatPanicsIsCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	metrics, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("the panic is swallowed")
		}
		if failed := testutil.ToFloat64(metrics.admissions.WithLabelValues("pods", ResultFailed, "")); failed != 1 {
			t.Errorf("%v failed", failed)
		}
	}()
	metrics.Observe("pods", admission.HandlerFunc(func(context.Context, admission.Request) admission.Response { panic("a bug") })).
		Handle(t.Context(), admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{}})
}
