package reference

import "github.com/kubectl-fluid/kubectl-fluid/pkg/finding"

// labelEnforce on a namespace is the level of the Pod Security Standards that its pods must meet.
const labelEnforce = "pod-security.kubernetes.io/enforce"

// checkPodSecurity warns where the namespace will refuse pods with the sidecar: the levels baseline and restricted allow
// no hostPath volume, and a FUSE mount can't reach the app without one. The reference itself works, for pods that use
// its claim otherwise.
func (p *Plan) checkPodSecurity(w *World) {
	// A level that Kubernetes doesn't know counts as restricted.
	if level, ok := w.NamespaceLabels[labelEnforce]; ok && level != "privileged" {
		p.Findings.Add(finding.CodePodSecurity, finding.Object{Kind: "Namespace", Name: w.Dataset.Namespace},
			"it enforces the Pod Security level %s, and the sidecar needs a hostPath volume", level)
	}
}
