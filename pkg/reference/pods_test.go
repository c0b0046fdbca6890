package reference_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestPodsThatHaveEndedUseNothing: their claims are in their volumes for ever.
func TestPodsThatHaveEndedUseNothing(t *testing.T) {
	for phase, ended := range map[corev1.PodPhase]bool{
		"": false, corev1.PodPending: false, corev1.PodRunning: false, corev1.PodUnknown: false, corev1.PodSucceeded: true, corev1.PodFailed: true,
	} {
		pod := &corev1.Pod{Status: corev1.PodStatus{Phase: phase}, Spec: corev1.PodSpec{Volumes: []corev1.Volume{{Name: "scratch"}, {Name: "data",
			VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "refdemo"}}}}}}
		if HasEnded(pod) != ended || UsesClaim(pod, "refdemo") == ended || UsesClaim(pod, "data") {
			t.Errorf("in the phase %q it has ended: %t, and uses the claim: %t", phase, HasEnded(pod), UsesClaim(pod, "refdemo"))
		}
	}
}
