package reference

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// SecretsClusterRole is the ClusterRole of config/rbac that lets the controller mirror all Secrets of the namespaces
// where it is bound.
const SecretsClusterRole = "kubectl-fluid-secrets"

// DefaultController returns the ServiceAccount that the controller has in config/.
func DefaultController() types.NamespacedName {
	return types.NamespacedName{Namespace: "kubectl-fluid-system", Name: FieldManager}
}

// SecretBindingCommand returns the command that lets the controller mirror all Secrets of a namespace.
func SecretBindingCommand(namespace string, controller types.NamespacedName) string {
	return fmt.Sprintf("kubectl create rolebinding %s --clusterrole=%s --serviceaccount=%s:%s -n %s",
		SecretsClusterRole, SecretsClusterRole, controller.Namespace, controller.Name, namespace)
}

// checkSecretAccess adds a finding for each namespace in which the controller may not read the Secrets that it is to
// mirror: a RoleBinding is missing there.
func (p *Plan) checkSecretAccess(w *World) {
	unread := map[string][]string{}
	var namespaces []string
	for _, object := range w.unread() {
		if object.Kind != kindSecret {
			continue
		}
		if unread[object.Namespace] == nil {
			namespaces = append(namespaces, object.Namespace)
		}
		unread[object.Namespace] = append(unread[object.Namespace], object.Name)
	}
	for _, namespace := range namespaces {
		p.Findings.AddCommand(finding.CodeSecretsNotGranted, finding.Object{Kind: kindNamespace, Name: namespace},
			SecretBindingCommand(namespace, *w.Controller),
			"the controller, ServiceAccount %s, has no right to the Secrets %q in it: a RoleBinding to the ClusterRole %s is missing",
			w.Controller, unread[namespace], SecretsClusterRole)
	}
}
