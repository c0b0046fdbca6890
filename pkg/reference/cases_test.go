package reference_test

import (
	"errors"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestCasesFromFiles: of objects as files have them there is found what each case says. The same cases are tried on a
// live cluster and with the controller.
func TestCasesFromFiles(t *testing.T) {
	for _, name := range referencetest.CaseNames(t) {
		t.Run(name, func(t *testing.T) {
			c := referencetest.LoadCase(t, name, "default", "ref")
			if got := findingsAt(t, c, ForWriting); !slices.Equal(got, c.Findings) {
				t.Errorf("the findings are\n%q, want\n%q", got, c.Findings)
			}
		})
	}
}

// TestReportsSayWhatTheControllerSays: a plan for a report finds all that the controller finds. What else it finds doesn't
// block, or is about a name that Fluid needs and the controller doesn't.
func TestReportsSayWhatTheControllerSays(t *testing.T) {
	for _, name := range referencetest.CaseNames(t) {
		for _, depth := range []Depth{ForReport, ForReview} {
			c := referencetest.LoadCase(t, name, "default", "ref")
			said, reported := findingsAt(t, c, ForWriting), findingsAt(t, c, depth)
			for _, f := range said {
				if !slices.Contains(reported, f) {
					t.Errorf("%s: at depth %d there is no %s but %q", name, depth, f, reported)
				}
			}
			for _, f := range reported {
				if entry, _ := finding.Explain(f.Code); entry.Severity.Blocks() && !slices.Contains(said, f) {
					t.Errorf("%s: at depth %d there is also %s", name, depth, f)
				}
			}
		}
	}
}

// findingsAt returns what a plan of some depth finds of a case.
func findingsAt(t *testing.T, c *referencetest.Case, depth Depth) []referencetest.WantedFinding {
	t.Helper()
	reader := fakeReader(t, c)
	dataset := &datav1alpha1.Dataset{}
	if err := reader.Get(t.Context(), types.NamespacedName{Namespace: "ref", Name: "refdemo"}, dataset); err != nil {
		t.Fatal(err)
	}
	_, plan, err := observe.Plan(t.Context(), reader, dataset, c.Policy(depth))
	if err != nil {
		t.Fatal(err)
	}
	return referencetest.Wanted(plan.Findings)
}

func fakeReader(t *testing.T, c *referencetest.Case) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), datav1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields()
	for _, object := range c.Objects {
		builder.WithObjects(object)
	}
	return builder.Build()
}
