package queue

import (
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// IsRefusal reports whether the API server refused a write for what it is, so that the same write is refused again until
// somebody changes a right, a quota, a policy or the object: RBAC and quotas answer 403, a ValidatingAdmissionPolicy 422
// unless it says otherwise, a webhook that gives no code 400 (Kubernetes 1.37), and a write that is too large 413.
//
// In a namespace that is being deleted every new object is forbidden. That is as it should be, and no refusal.
func IsRefusal(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return false
	}
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsRequestEntityTooLargeError(err)
}
