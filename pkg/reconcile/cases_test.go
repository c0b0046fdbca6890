package reconcile

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestCasesOnALiveCluster: of each case there is found on a live cluster what is found of the same objects in files, and
// so does the controller, which says the first of what blocks in the reference's condition.
func TestCasesOnALiveCluster(t *testing.T) {
	livetest.NeedCluster(t)
	for _, names := range []reference.MirrorNames{reference.UniqueNames, reference.SourceNames} {
		t.Run(string(names), func(t *testing.T) { casesOnALiveCluster(t, names) }) // the controller of one ends before the other
	}
}

func casesOnALiveCluster(t *testing.T, names reference.MirrorNames) {
	var all []*referencetest.Case
	for _, name := range referencetest.CaseNames(t) {
		c := referencetest.LoadCase(t, name, "phy-"+name, "ref-"+name)
		if c.MirrorNames != names {
			continue
		}
		if err := c.Create(t.Context(), livetest.Client()); err != nil {
			t.Fatalf("case %s: %v", name, err)
		}
		t.Cleanup(func() { removeVolumes(t, c) })
		livetest.EndWithTest(t, c.PhysicalNamespace)
		livetest.EndWithTest(t, c.ReferenceNamespace)
		all = append(all, c)
	}
	for _, c := range all {
		t.Run("live "+c.Name, func(t *testing.T) {
			if got := findingsOf(t, c); !slices.Equal(got, c.Findings) {
				t.Errorf("the findings are\n%q, want\n%q", got, c.Findings)
			}
		})
	}
	startReferencesOn(t, &wire{}, logr.Discard(), names)
	for _, c := range all {
		t.Run("controller "+c.Name, func(t *testing.T) { awaitSaid(t, c) })
	}
}

func referenceOf(c *referencetest.Case) *datav1alpha1.Dataset {
	return &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: c.ReferenceNamespace, Name: "refdemo"}}
}

func findingsOf(t *testing.T, c *referencetest.Case) []referencetest.WantedFinding {
	t.Helper()
	_, plan, err := observe.Plan(t.Context(), livetest.Client(), livetest.Refresh(t, referenceOf(c)), c.Policy(reference.ForWriting))
	if err != nil {
		t.Fatal(err)
	}
	return referencetest.Wanted(plan.Findings)
}

// awaitSaid waits until the reference's condition says what the case says. The findings are the same then as before, with
// all that the controller has made.
func awaitSaid(t *testing.T, c *referencetest.Case) {
	t.Helper()
	blocking := slices.IndexFunc(c.Findings, func(f referencetest.WantedFinding) bool {
		entry, ok := finding.Explain(f.Code)
		return !ok || entry.Severity.Blocks()
	})
	want := reference.ReasonReady
	if blocking >= 0 {
		entry, _ := finding.Explain(c.Findings[blocking].Code)
		want = finding.New(entry.Code, finding.Object{Kind: c.Findings[blocking].Object}, "%s", c.Findings[blocking].Message).String()
	}
	ref := referenceOf(c)
	livetest.Eventually(t, "the condition", func() string {
		for _, condition := range livetest.Refresh(t, ref).Status.Conditions {
			if condition.Type != reference.ConditionReferenceReady {
				continue
			}
			if ready := condition.Status == corev1.ConditionTrue; (ready && condition.Reason == want) || (!ready && condition.Message == want) {
				return ""
			}
		}
		return fmt.Sprintf("the conditions are %+v, want %s", ref.Status.Conditions, want)
	})
	livetest.Eventually(t, "the same findings", func() string {
		if got := findingsOf(t, c); !slices.Equal(got, c.Findings) {
			return fmt.Sprintf("they are\n%q, want\n%q", got, c.Findings)
		}
		return ""
	})
}

// removeVolumes deletes the volumes of a case, which no namespace takes with it.
func removeVolumes(t *testing.T, c *referencetest.Case) {
	t.Helper()
	for _, object := range c.Objects {
		if object.GetKind() == "PersistentVolume" {
			if err := client.IgnoreNotFound(livetest.Client().Delete(context.Background(), object)); err != nil {
				t.Error(err)
			}
		}
	}
}
