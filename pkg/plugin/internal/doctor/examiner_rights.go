package doctor

import (
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/rights"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// checkRights asks for the user's rights in the namespace and says which commands they are enough for. What a command
// needs in the namespace of a physical Dataset depends on the Dataset.
func (e *examiner) checkRights() {
	object := thing("your rights in namespace " + e.namespace)
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: e.namespace}}
	if err := e.client.Create(e.ctx, review); err != nil {
		e.unread(object, err)
		return
	}
	var enough []string
	for _, command := range rights.Commands() {
		var missing []string
		for _, n := range rights.Needs()[command] {
			if n.Purpose == "" && n.Where != rights.InSource && !grants(review.Status.ResourceRules, n) {
				missing = append(missing, n.Verb+" "+n.ResourceName())
			}
		}
		switch {
		case len(missing) == 0:
			enough = append(enough, command)
		case review.Status.Incomplete:
			e.unread(object, apierrors.NewInternalError(errIncomplete{review.Status.EvaluationError}))
			return
		default:
			e.find(finding.CodeRightsMissing, object, "kubectl fluid %s also needs: %s", command, strings.Join(missing, ", "))
		}
	}
	if len(enough) == len(rights.Commands()) {
		e.pass(object, "enough for every command")
		return
	}
	e.pass(object, "enough for: %s", strings.Join(enough, ", "))
}

// errIncomplete says that the API server doesn't know all rights, as with authorizers that can't list them.
type errIncomplete struct{ reason string }

func (e errIncomplete) Error() string {
	return "the API server can't list all of them: " + terminal.OrNone(e.reason) + "; ask for one: kubectl auth can-i"
}

// grants reports whether a rule grants a right on any object of the resource.
func grants(rules []authorizationv1.ResourceRule, n rights.Need) bool {
	has := func(list []string, wanted string) bool {
		return slices.Contains(list, "*") || slices.Contains(list, wanted)
	}
	return slices.ContainsFunc(rules, func(rule authorizationv1.ResourceRule) bool {
		names := len(rule.ResourceNames) == 0 || len(n.Names) > 0 && !slices.ContainsFunc(n.Names, func(name string) bool {
			return !slices.Contains(rule.ResourceNames, name)
		})
		return names && has(rule.Verbs, n.Verb) && has(rule.APIGroups, n.Group) && has(rule.Resources, n.Resource)
	})
}

// controllerNeeds are rights without which the controller of this project can't serve references, a few of config/rbac
// that stand for all: each from another rule.
func controllerNeeds() []authorizationv1.ResourceAttributes {
	return []authorizationv1.ResourceAttributes{
		{Verb: "patch", Group: datav1alpha1.GroupName, Resource: "datasets", Subresource: "status"},
		{Verb: "create", Group: datav1alpha1.GroupName, Resource: "thinruntimes"},
		{Verb: "create", Resource: "persistentvolumes"},
		{Verb: "create", Resource: "configmaps"},
		{Verb: "list", Group: "apps", Resource: "daemonsets"},
		{Verb: "list", Resource: "pods"},
		{Verb: "create", Group: "authorization.k8s.io", Resource: "subjectaccessreviews"},
	}
}

// checkControllerRights asks what the controller's ServiceAccount may do.
func (e *examiner) checkControllerRights() {
	w := e.readWebhooks()
	if w.mutating[cluster.OwnWebhook] == nil {
		e.skip("the controller of kubectl fluid isn't installed, or its webhook configuration can't be read")
		return
	}
	controller := reference.DefaultController()
	namespace := w.namespaceOf(cluster.OwnWebhook, controller.Namespace)
	object := finding.Object{Kind: "ServiceAccount", Namespace: namespace, Name: controller.Name}
	var missing []string
	for _, attributes := range controllerNeeds() {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               "system:serviceaccount:" + namespace + ":" + controller.Name,
			Groups:             []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
			ResourceAttributes: &attributes,
		}}
		if err := e.client.Create(e.ctx, review); err != nil {
			e.unread(object, err)
			return
		}
		if !review.Status.Allowed {
			missing = append(missing, strings.Trim(attributes.Verb+" "+attributes.Resource+"/"+attributes.Subresource, "/"))
		}
	}
	if len(missing) > 0 {
		e.find(finding.CodeControllerRights, object, "it may not: %s", strings.Join(missing, ", "))
		return
	}
	e.pass(object, "it has the rights that references need; those on Secrets depend on the namespace")
}

func (e *examiner) checkPodSecurity() {
	object := finding.Object{Kind: "Namespace", Name: e.namespace}
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err := e.client.Get(e.ctx, client.ObjectKey{Name: e.namespace}, namespace); err != nil {
		e.unread(object, err)
		return
	}
	switch level, allowed := reference.PodSecurityLevel(namespace.Labels); {
	case !allowed:
		e.find(finding.CodePodSecurity, object, "it enforces the Pod Security level %s, and asks for privileged sidecars, which need a hostPath volume", level)
	case level == "":
		e.pass(object, "it says no Pod Security level; the API server's default holds")
	default:
		e.pass(object, "it enforces the Pod Security level %s", level)
	}
}
