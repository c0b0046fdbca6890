package reference

import (
	"fmt"
	"slices"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SecretsClusterRole is the ClusterRole of config/rbac that lets the controller mirror all Secrets of the namespaces
// where it is bound.
const SecretsClusterRole = "kubectl-fluid-secrets"

// DefaultController returns the ServiceAccount that the controller has in config/.
func DefaultController() types.NamespacedName {
	return types.NamespacedName{Namespace: "kubectl-fluid-system", Name: FieldManager}
}

// SecretAccess is what lets the controller mirror the Secrets of one reference in one namespace.
type SecretAccess struct {
	Role    *rbacv1.Role
	Binding *rbacv1.RoleBinding
}

// SecretAccessOf returns the least that lets the controller, by its ServiceAccount, mirror the Secrets that a plan needs:
// to read them by name in the physical's namespace, and to keep the mirrors, by name, in the reference's. Only creating
// can't be restricted to names, since RBAC doesn't know the name of what isn't there yet. It returns nothing for a plan
// without mirrored Secrets, be it that none is needed or that the sidecar isn't known yet.
func SecretAccessOf(plan *Plan, controller types.NamespacedName) []SecretAccess {
	var sources, targets []string
	for _, mirror := range plan.Mirrors {
		if mirror.Source.Kind == kindSecret {
			sources, targets = append(sources, mirror.Source.Name), append(targets, mirror.Target.Name)
		}
	}
	if len(sources) == 0 {
		return nil
	}
	slices.Sort(sources)
	slices.Sort(targets)
	access := func(namespace string, rules ...rbacv1.PolicyRule) SecretAccess {
		return newSecretAccess(plan.Reference, namespace, controller, rules)
	}
	return []SecretAccess{
		access(plan.Source.Namespace, secretRule([]string{"get"}, sources)),
		access(plan.Reference.Namespace, secretRule([]string{"create"}, nil), secretRule([]string{"get", "patch", "delete"}, targets)),
	}
}

func secretRule(verbs, names []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{corev1.GroupName}, Resources: []string{"secrets"}, ResourceNames: names, Verbs: verbs}
}

// newSecretAccess names role and binding after the reference, with dots, which namespaces don't have: several references
// may need Secrets of one physical Dataset's namespace.
func newSecretAccess(reference types.NamespacedName, namespace string, controller types.NamespacedName, rules []rbacv1.PolicyRule) SecretAccess {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: SecretsClusterRole + "." + reference.Namespace + "." + reference.Name}
	return SecretAccess{
		Role: &rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: meta, Rules: rules,
		},
		Binding: &rbacv1.RoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
			ObjectMeta: meta,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: controller.Namespace, Name: controller.Name}},
		},
	}
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
