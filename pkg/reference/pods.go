package reference

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// HasEnded reports whether a pod has done its work, and its sidecars with it: none of its containers runs again.
func HasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// UsesClaim reports whether a pod that hasn't ended uses a claim of its namespace.
func UsesClaim(pod *corev1.Pod, claim string) bool {
	return !HasEnded(pod) && slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim
	})
}
