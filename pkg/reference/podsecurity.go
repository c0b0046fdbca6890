package reference

import "github.com/kubectl-fluid/kubectl-fluid/pkg/finding"

// labelEnforce on a namespace is the level of the Pod Security Standards that its pods must meet.
const labelEnforce = "pod-security.kubernetes.io/enforce"

// PodSecurityLevel returns the level of the Pod Security Standards that a namespace with some labels enforces, empty for the
// API server's default, and whether pods with a sidecar meet it. Only the level privileged allows the hostPath volume
// without which a FUSE mount can't reach the app. Kubernetes takes a level that it doesn't know for restricted.
func PodSecurityLevel(labels map[string]string) (level string, allowed bool) {
	level, said := labels[labelEnforce]
	return level, !said || level == "privileged"
}

// checkPodSecurity warns where the namespace will refuse pods with the sidecar. The reference itself works, for pods that
// use its claim otherwise.
func (p *Plan) checkPodSecurity(w *World) {
	object := finding.Object{Kind: kindNamespace, Name: w.Dataset.Namespace}
	namespace := w.Metadata(object)
	if namespace == nil {
		return
	}
	if level, allowed := PodSecurityLevel(namespace.Labels); !allowed {
		p.Findings.Add(finding.CodePodSecurity, object, "it enforces the Pod Security level %s, and the sidecar needs a hostPath volume", level)
	}
}
