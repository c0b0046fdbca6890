package inject

import (
	"errors"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestAdmissionSaysWhatTheControllerSays: of each case, pods are denied for what blocks the reference, in the same words.
// Admission reads memory, which has no ConfigMaps and Secrets: what is wrong with those is left to the controller, for
// whose word pods wait where mirrors have their sources' names.
func TestAdmissionSaysWhatTheControllerSays(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), datav1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	for _, name := range referencetest.CaseNames(t) {
		c := referencetest.LoadCase(t, name, "default", "ref")
		builder := fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields()
		for _, object := range c.Objects {
			builder.WithObjects(object)
		}
		claimed := Lookup(t.Context(), builder.Build(), types.NamespacedName{Namespace: "ref", Name: "refdemo"}, c.Policy(0), Variant{})
		got := slices.DeleteFunc(referencetest.Wanted(claimed.Findings), func(f referencetest.WantedFinding) bool { return f.Code == finding.CodeNamesUnchecked })
		if want := seenAtAdmission(c); !slices.Equal(got, want) {
			t.Errorf("%s: pods are denied for\n%q, want\n%q", name, got, want)
		}
		if blocked := len(claimed.Findings) > 0; blocked == (claimed.Sidecar != nil) {
			t.Errorf("%s: there is a sidecar, and %v", name, claimed.Findings)
		}
		if c.MirrorNames == reference.SourceNames && claimed.Sidecar != nil {
			t.Errorf("%s: there is a sidecar before anybody has looked at the names", name)
		}
	}
}

// seenAtAdmission returns what of a case keeps pods from a sidecar, as far as admission sees it.
func seenAtAdmission(c *referencetest.Case) []referencetest.WantedFinding {
	var seen []referencetest.WantedFinding
	for _, f := range c.Findings {
		entry, _ := finding.Explain(f.Code)
		switch f.Code {
		case finding.CodeSourceMissing, finding.CodeMirrorNameTaken, finding.CodeMirrorNameWanted, finding.CodeNotRecorded:
			continue
		case finding.CodeVolumeOnly: // which is all that a reference needs, and not enough for pods
			f.Code = finding.CodeRuntimeNoSidecar
		default:
			if !entry.Severity.Blocks() {
				continue
			}
		}
		seen = append(seen, f)
	}
	return seen
}
