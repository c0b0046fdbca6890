package queue

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestRefusalsAreToldFromWhatPasses: what comes of who asks and for what, not of when.
func TestRefusalsAreToldFromWhatPasses(t *testing.T) {
	status := func(code int32, reason metav1.StatusReason, causes ...metav1.StatusCause) error {
		said := &apierrors.StatusError{ErrStatus: metav1.Status{Code: code, Reason: reason, Details: &metav1.StatusDetails{Causes: causes}}}
		return fmt.Errorf("creating it: %w", said)
	}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"RBAC or a quota":                 {status(http.StatusForbidden, metav1.StatusReasonForbidden), true},
		"a policy":                        {status(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid), true},
		"a webhook that gives no code":    {status(http.StatusBadRequest, ""), true},
		"a policy that says BadRequest":   {status(http.StatusBadRequest, metav1.StatusReasonBadRequest), true},
		"too large":                       {status(http.StatusRequestEntityTooLarge, metav1.StatusReasonRequestEntityTooLarge), true},
		"the namespace is being deleted":  {status(http.StatusForbidden, metav1.StatusReasonForbidden, metav1.StatusCause{Type: corev1.NamespaceTerminatingCause}), false},
		"somebody else's write":           {status(http.StatusConflict, metav1.StatusReasonConflict), false},
		"it exists":                       {status(http.StatusConflict, metav1.StatusReasonAlreadyExists), false},
		"a webhook that doesn't answer":   {status(http.StatusInternalServerError, metav1.StatusReasonInternalError), false},
		"the API server has too much":     {status(http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests), false},
		"no connection":                   {errors.New("connection refused"), false},
		"no error":                        {nil, false},
		"its kind or itself isn't there":  {status(http.StatusNotFound, metav1.StatusReasonNotFound), false},
		"who asks isn't known any more":   {status(http.StatusUnauthorized, metav1.StatusReasonUnauthorized), false},
		"the API server gave up in time ": {status(http.StatusGatewayTimeout, metav1.StatusReasonTimeout), false},
	} {
		if got := IsRefusal(test.err); got != test.want {
			t.Errorf("%s: a refusal is %t, want %t", name, got, test.want)
		}
	}
}
