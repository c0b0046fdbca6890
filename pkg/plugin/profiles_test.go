package plugin

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// profiles are users with the rights that Kubernetes' own ClusterRoles give them, and the same for Datasets: all in the
// whole cluster, or in the reference's namespace only, or none at all.
func profiles() map[string][]string {
	return map[string][]string{"admin": {"cluster-admin"}, "editor": {"edit", "datasets-edit"}, "viewer": {"view", "datasets-view"}, "nothing": nil}
}

// makeProfiles binds the users' roles; a ClusterRole that isn't cluster-admin counts in a namespace only.
func (r *realCluster) makeProfiles(t *testing.T, namespace string) {
	t.Helper()
	all, err := client.New(r.config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	create := func(object client.Object) {
		if err := all.Create(t.Context(), object); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	for name, verbs := range map[string][]string{"datasets-edit": {"*"}, "datasets-view": {"get", "list", "watch"}} {
		create(&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name},
			Rules: []rbacv1.PolicyRule{{APIGroups: []string{"data.fluid.io"}, Resources: []string{"*"}, Verbs: verbs}}})
	}
	for user, roles := range profiles() {
		for _, role := range roles {
			subjects := []rbacv1.Subject{{Kind: "User", Name: user}}
			ref := rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: role}
			if role == "cluster-admin" {
				create(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "profile-" + user}, Subjects: subjects, RoleRef: ref})
				continue
			}
			create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user + "-" + role, Namespace: namespace}, Subjects: subjects, RoleRef: ref})
		}
	}
}

// TestRealProfiles runs commands as users with all rights, with those of an editor and of a viewer of one namespace, and
// with none: what they may not see is said, and is never a pass.
func TestRealProfiles(t *testing.T) {
	r := newRealCluster(t)
	const namespace = "profiles"
	r.put(t, namespace, "alluxio.yaml", "thin.yaml", "profiles.yaml")
	r.makeProfiles(t, namespace)
	for user := range profiles() {
		for name, command := range map[string]string{
			"list":            "ref list -n profiles",
			"check":           "ref check demo -n profiles",
			"check-new":       "ref check --from default/phy --name new -n profiles",
			"create":          "ref create new -n profiles --from default/phy --dry-run=server",
			"inspect-sidecar": "inspect sidecar nginx -n profiles",
			"inspect-dataset": "inspect dataset demo -n profiles",
			"inspect-future":  "inspect sidecar deploy/web -n profiles -o short",
			"describe":        "ref describe demo -n profiles",
			"diff":            "ref diff demo -n profiles",
			"tree":            "ref tree demo -n profiles",
			"can-i":           "ref can-i --from default/phy -n profiles",
			"delete":          "ref delete demo -n profiles --dry-run=server --yes",
			"share":           "ref share default/phy --with profiles",
			"doctor":          "doctor -n profiles --skip client,server,nodes",
			"inject":          "inject -f testdata/profiles.yaml -n profiles --diff",
			"version":         "version",
		} {
			if user == "admin" && name == "share" {
				continue // It would change what other tests have.
			}
			t.Run(user+"/"+name, func(t *testing.T) {
				res := r.run(t, command+" --as "+user)
				text := regexp.MustCompile(`(?m)^(Client Version|Go Version|Platform|Module|Server Version).*\n`).ReplaceAllString(res.text(), "")
				text = regexp.MustCompile(`\d+m?s$`).ReplaceAllString(text, "AGE")
				text = regexp.MustCompile(`( )\d+m?\d*s\n`).ReplaceAllString(text, "${1}AGE\n")
				text = regexp.MustCompile(` at \d{4}-\S+Z`).ReplaceAllString(text, " at TIME")
				if user == "admin" && name == "tree" { // It has what other tests have left.
					if res.code != ExitOK || !strings.Contains(res.out, "Dataset profiles/demo") {
						t.Error(res.text())
					}
					return
				}
				compare(t, "profiles/"+user+"-"+name+".txt", "$ kubectl fluid "+command+" --as "+user+"\n"+text)
				if strings.Contains(res.text(), "forbidden") && (strings.Contains(res.out, "\npass:") || res.code == ExitOK && !strings.Contains(res.text(), string(report.Inconclusive))) {
					t.Errorf("a pass in spite of a call that failed: %s", res.text())
				}
			})
		}
	}
}

// TestRealStrict: what a viewer can't look at is exit code 5 with --strict, whatever the format, and 0 without.
func TestRealStrict(t *testing.T) {
	r := newRealCluster(t)
	const namespace = "profiles"
	r.put(t, namespace, "alluxio.yaml", "thin.yaml", "profiles.yaml")
	r.makeProfiles(t, namespace)
	for _, format := range output.CheckFormats() {
		switch format {
		case output.FormatJSONPath, output.FormatGoTemplate:
			format += "{{.kind}}"
		case output.FormatCustomColumns:
			format += "A:.name"
		}
		format = strings.Replace(format, output.FormatJSONPath+"{{.kind}}", output.FormatJSONPath+"{.kind}", 1)
		for flags, want := range map[string]int{"": ExitOK, " --strict": ExitInconclusive} {
			command := fmt.Sprintf("ref check demo -n %s --as viewer -o %s%s", namespace, format, flags)
			if res := r.run(t, command); res.code != want {
				t.Errorf("%s: %s", command, res.text())
			}
		}
	}
}
