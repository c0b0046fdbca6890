package referencetest

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// SecretAccess is what lets the controller mirror the Secrets of one reference in one namespace.
type SecretAccess struct {
	Role    *rbacv1.Role
	Binding *rbacv1.RoleBinding
}

// SecretAccessOf returns the least that lets the controller, by its ServiceAccount, mirror the Secrets that a plan needs:
// to read them by name in the physical's namespace, and to keep the mirrors, by name, in the reference's. Only creating
// can't be restricted to names, since RBAC doesn't know the name of what isn't there yet. It returns nothing for a plan
// without mirrored Secrets, be it that none is needed or that the sidecar isn't known yet.
func SecretAccessOf(plan *reference.Plan, controller types.NamespacedName) []SecretAccess {
	var sources, targets []string
	for _, mirror := range plan.Mirrors {
		if mirror.Original.Kind == "Secret" {
			sources, targets = append(sources, mirror.Original.Name), append(targets, mirror.Target.Name)
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
func newSecretAccess(ref types.NamespacedName, namespace string, controller types.NamespacedName, rules []rbacv1.PolicyRule) SecretAccess {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: reference.SecretsClusterRole + "." + ref.Namespace + "." + ref.Name}
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
