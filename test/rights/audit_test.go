package rights

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// request is an entry of the audit log.
type request struct {
	Verb   string `json:"verb"`
	Object struct {
		Group       string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	User struct {
		Name string `json:"username"`
	} `json:"user"`
	Annotations map[string]string `json:"annotations"`
}

func (r request) forbidden() bool { return r.Annotations["authorization.k8s.io/decision"] == "forbid" }

func (r request) resource() string {
	if r.Object.Subresource == "" {
		return r.Object.Resource
	}
	return r.Object.Resource + "/" + r.Object.Subresource
}

func (r request) String() string {
	return fmt.Sprintf("%s %s.%s %s/%s", r.Verb, r.resource(), r.Object.Group, r.Object.Namespace, r.Object.Name)
}

// requests returns what the controller asked of the API server about objects.
func (w *world) requests() []request {
	w.Helper()
	text, err := os.ReadFile(w.audit)
	if err != nil {
		w.Fatal(err)
	}
	var all []request
	for line := range bytes.Lines(text) {
		var r request
		if json.Unmarshal(line, &r) == nil && r.User.Name == account && r.Object.Resource != "" {
			all = append(all, r)
		}
	}
	return all
}

// right is one verb on one resource of a rule, and a name if the rule has names.
type right struct {
	verb, group, resource, name, namespace string
}

func (r right) String() string {
	return fmt.Sprintf("%s %s.%s %s in namespace %q", r.verb, r.resource, r.group, r.name, r.namespace)
}

// covers reports whether a request needed the right. Informers list what they watch where the API server can't stream
// lists, which Kubernetes 1.37 does.
func (r right) covers(made request) bool {
	return (r.verb == made.Verb || r.verb == "list" && made.Verb == "watch") && r.group == made.Object.Group && r.resource == made.resource() && !made.forbidden() &&
		(r.name == "" || r.name == made.Object.Name || made.Object.Name == "") && (r.namespace == "" || r.namespace == made.Object.Namespace)
}

// rights returns what the controller's ClusterRole and Role allow, and the Roles of the reference.
func (w *world) rights() []right {
	w.Helper()
	var all []right
	add := func(namespace string, rules []rbacv1.PolicyRule) {
		for _, rule := range rules {
			names := rule.ResourceNames
			if len(names) == 0 {
				names = []string{""}
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						for _, name := range names {
							all = append(all, right{verb, group, resource, name, namespace})
						}
					}
				}
			}
		}
	}
	role := &rbacv1.ClusterRole{}
	if err := w.client.Get(w.Context(), types.NamespacedName{Name: "kubectl-fluid-controller"}, role); err != nil {
		w.Fatal(err)
	}
	add("", role.Rules)
	roles := &rbacv1.RoleList{}
	if err := w.client.List(w.Context(), roles); err != nil {
		w.Fatal(err)
	}
	for i := range roles.Items {
		if name := roles.Items[i].Name; name == "kubectl-fluid-controller" || strings.HasPrefix(name, reference.SecretsClusterRole+".") {
			add(roles.Items[i].Namespace, roles.Items[i].Rules)
		}
	}
	return all
}
