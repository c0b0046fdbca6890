package reference

import "k8s.io/apimachinery/pkg/util/version"

// Features are what a version of Kubernetes has for sidecars, without that anybody switches it on.
type Features struct {
	// NativeSidecars are init containers with restartPolicy Always: on by default from Kubernetes 1.29 on.
	NativeSidecars bool
	// SelfHealing is the action RestartAllContainers of restartPolicyRules: on by default from Kubernetes 1.36 on.
	SelfHealing bool
}

// FeaturesOf returns what a version of the API server or of a kubelet has.
func FeaturesOf(kubernetes *version.Version) Features {
	return Features{
		NativeSidecars: kubernetes.AtLeast(version.MajorMinor(1, 29)),
		SelfHealing:    kubernetes.AtLeast(version.MajorMinor(1, 36)),
	}
}

// NewestVersion returns a version of Kubernetes that has all Features.
func NewestVersion() *version.Version { return version.MajorMinor(1, 36) }
