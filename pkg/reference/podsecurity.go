package reference

import "github.com/kubectl-fluid/kubectl-fluid/pkg/finding"

// LabelPrivileges on a namespace lets its pods' sidecars have privileges, if it is "allowed" and the controller allows that.
// It is a label because labels of namespaces are what Pod Security, and policies about it, go by.
const LabelPrivileges = "kubectl-fluid.dev/sidecar-privileges"

// PrivilegesAllowed is the value of LabelPrivileges that gives them.
const PrivilegesAllowed = "allowed"

// labelEnforce on a namespace is the level of the Pod Security Standards that its pods must meet.
const labelEnforce = "pod-security.kubernetes.io/enforce"

// PodSecurityLevel returns the level of the Pod Security Standards that a namespace with some labels enforces, empty for the
// API server's default, and whether pods with a sidecar meet it. A sidecar without privileges meets all of them. A privileged
// one, for which the namespace asks by a label, has a hostPath volume, which only the level privileged allows. Kubernetes
// takes a level that it doesn't know for restricted.
func PodSecurityLevel(labels map[string]string) (level string, allowed bool) {
	level, said := labels[labelEnforce]
	return level, !said || level == "privileged" || labels[LabelPrivileges] != PrivilegesAllowed
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
		p.Findings.Add(finding.CodePodSecurity, object, "it enforces the Pod Security level %s, and asks for privileged sidecars, which need a hostPath volume", level)
	}
}
