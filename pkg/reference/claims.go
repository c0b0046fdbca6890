package reference

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// DatasetOfClaim returns the name of the Dataset that a claim belongs to, by the rules of Fluid v1.0.8: the one that wraps
// it, or else the one of its own name; false if none does.
func DatasetOfClaim(claim *corev1.PersistentVolumeClaim) (string, bool) {
	if name := claim.Labels[datav1alpha1.LabelWrappedBy]; name != "" {
		return name, true
	}
	for label := range claim.Labels {
		if strings.HasPrefix(label, datav1alpha1.LabelStoragePrefix) || label == datav1alpha1.LabelManagedBy {
			return claim.Name, true
		}
	}
	return "", false
}

// CheckOrphan finds what is wrong with a claim whose Dataset isn't there: a pod could have it, but no data. One that a
// Dataset wraps has data of its own.
func CheckOrphan(claim *corev1.PersistentVolumeClaim) finding.List {
	var findings finding.List
	if name, claimed := DatasetOfClaim(claim); claimed && name == claim.Name {
		findings.Add(finding.CodePodClaimUnresolved, finding.Object{Kind: kindClaim, Namespace: claim.Namespace, Name: claim.Name}, "its Dataset %s/%s doesn't exist", claim.Namespace, name)
	}
	return findings
}
