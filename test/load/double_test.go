package load

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// double is a mutating webhook of somebody else's for pods with the label test=<label>, until the test ends. Its patch,
// a JSON patch or nothing, is for the pod that it gets.
func (n *installation) double(t *testing.T, name, label string, reinvocation admissionregistrationv1.ReinvocationPolicyType, patch func(*corev1.Pod) string) {
	t.Helper()
	server := httptest.NewTLSServer(&admission.Webhook{Handler: admission.HandlerFunc(func(_ context.Context, request admission.Request) admission.Response {
		pod := &corev1.Pod{}
		if err := json.Unmarshal(request.Object.Raw, pod); err != nil {
			return admission.Errored(http.StatusBadRequest, err)
		}
		response := admission.Allowed("")
		if operations := patch(pod); operations != "" {
			response.Patch, response.PatchType = []byte(operations), new(admissionv1.PatchTypeJSONPatch)
		}
		return response
	})})
	t.Cleanup(server.Close)
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "double.example.com",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL:      &server.URL,
				CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			ObjectSelector:          &metav1.LabelSelector{MatchLabels: map[string]string{"test": label}},
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
			ReinvocationPolicy:      &reinvocation,
			FailurePolicy:           new(admissionregistrationv1.Fail),
		}},
	}
	n.create(t, configuration)
	t.Cleanup(func() {
		if err := n.client.Delete(n.ctx, configuration); err != nil {
			t.Error(err)
		}
	})
}
