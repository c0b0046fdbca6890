package reference_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// TestSecretAccessNamesTheSecretsOfThePlanOnly compares the Roles and RoleBindings of a reference with a golden file.
func TestSecretAccessNamesTheSecretsOfThePlanOnly(t *testing.T) {
	controller := types.NamespacedName{Namespace: "fluid-tools", Name: "mirrors"}
	access := referencetest.SecretAccessOf(NewPlan(referencetest.World(t, "juicefs", "dataset://default/phy")), controller)
	var documents []string
	for _, a := range access {
		for _, object := range []any{a.Role, a.Binding} {
			text, err := yaml.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			documents = append(documents, string(text))
		}
	}
	got := strings.Join(documents, "---\n")
	golden.Compare(t, filepath.Join("testdata", "secret-access.yaml"), []byte(got))
}

func TestWithoutMirroredSecretsNoAccessIsNeeded(t *testing.T) {
	for about, plan := range map[string]*Plan{
		"a runtime without Secrets": NewPlan(referencetest.World(t, "alluxio", "dataset://default/phy")),
		"the same namespace": func() *Plan {
			w := referencetest.World(t, "juicefs", "dataset://default/phy")
			w.Dataset.Namespace = "default"
			return NewPlan(w)
		}(),
	} {
		if access := referencetest.SecretAccessOf(plan, DefaultController()); access != nil {
			t.Errorf("%s: %+v", about, access)
		}
	}
}

// TestMissingRoleBindingIsSaidWithItsCommand: where the controller itself may not read Secrets, there is one finding per
// namespace with the command; what another reader may not read says nothing of the controller.
func TestMissingRoleBindingIsSaidWithItsCommand(t *testing.T) {
	w := referencetest.World(t, "juicefs", "dataset://default/phy")
	mirrors := NewPlan(w).Mirrors
	clear(w.Seen)
	for _, mirror := range mirrors {
		if mirror.Original.Kind == "Secret" {
			w.Seen[mirror.Original], w.Seen[mirror.Target] = State{Unread: "secrets is forbidden"}, State{Unread: "secrets is forbidden"}
		}
	}
	w.Seen[finding.Object{Kind: "Secret", Namespace: "default", Name: "another"}] = State{Unread: "secrets is forbidden"}
	if codes := codesOf(NewPlan(w).Findings); slices.Contains(codes, finding.CodeSecretsNotGranted) || !slices.Contains(codes, finding.CodeUnread) {
		t.Errorf("for a person the findings are %v", codes)
	}
	w.Controller = new(DefaultController())
	plan := NewPlan(w)
	var commands []string
	for _, f := range plan.Findings {
		switch f.Code {
		case finding.CodeSecretsNotGranted:
			commands = append(commands, f.Command)
			for _, language := range finding.Languages() {
				if !strings.HasSuffix(f.In(language).Remedy, f.Command) {
					t.Errorf("the remedy in %s doesn't end with the command: %s", language, f.In(language).Remedy)
				}
			}
		case finding.CodeUnread:
			t.Errorf("it is said twice: %s", f)
		}
	}
	const command = "kubectl create rolebinding kubectl-fluid-secrets --clusterrole=kubectl-fluid-secrets --serviceaccount=kubectl-fluid-system:kubectl-fluid-controller -n "
	if !slices.Equal(commands, []string{command + "default", command + "ref"}) {
		t.Errorf("the commands are %q", commands)
	}
	if plan.Ready() {
		t.Error("the reference is ready")
	}
}

func codesOf(findings finding.List) []finding.Code {
	var codes []finding.Code
	for _, f := range findings {
		codes = append(codes, f.Code)
	}
	return codes
}
