package reference_test

import (
	"strings"
	"testing"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

func neighbour(name, mountPoint, runtimeType string) *datav1alpha1.Dataset {
	dataset := referencetest.Reference(mountPoint)
	dataset.Name, dataset.UID = name, "neighbour-uid"
	if runtimeType != "" {
		dataset.Status.Runtimes = []datav1alpha1.Runtime{{Name: name, Namespace: dataset.Namespace, Category: datav1alpha1.AccelerateCategory, Type: runtimeType}}
	}
	return dataset
}

// TestNeighboursThatNeedTheSameName: with Fluid's naming the copy meets what another Dataset of the namespace makes or
// copies, whichever comes first; with names of their own nothing does.
func TestNeighboursThatNeedTheSameName(t *testing.T) {
	for _, test := range []struct {
		name      string
		neighbour *datav1alpha1.Dataset
		want      finding.Code
		says      string
	}{
		{"a physical Dataset of the physical's name", neighbour("phy", "https://example.com/", "alluxio"), finding.CodeNameNeededByNeighbour, "AlluxioRuntime of Dataset ref/phy"},
		{"one without a runtime yet", neighbour("phy", "https://example.com/", ""), "", ""},
		{"one of another name", neighbour("other", "https://example.com/", "alluxio"), "", ""},
		{"one whose runtime makes no such ConfigMap", neighbour("phy", "https://example.com/", "thin"), "", ""},
		{"a reference to the same Dataset", neighbour("again", "dataset://default/phy/sub", ""), finding.CodeCopySharedWithNeighbour, "the reference ref/again"},
		{"a reference to another Dataset of the same name", neighbour("again", "dataset://elsewhere/phy", ""), finding.CodeNameNeededByNeighbour, "from namespace elsewhere"},
		{"a reference to another name", neighbour("again", "dataset://default/other", ""), "", ""},
		{"a malformed reference", neighbour("again", "dataset://phy", ""), "", ""},
		{"the reference itself", referencetest.Reference("dataset://default/phy"), "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := referencetest.World(t, "alluxio", "dataset://default/phy")
			if findings := NewPlan(w).Neighbours(w, []*datav1alpha1.Dataset{test.neighbour}); len(findings) > 0 {
				t.Errorf("with names of their own: %v", findings)
			}
			w.MirrorNames = SourceNames
			findings := NewPlan(w).Neighbours(w, []*datav1alpha1.Dataset{test.neighbour})
			switch {
			case test.want == "" && len(findings) > 0:
				t.Errorf("%v", findings)
			case test.want != "" && (len(findings) != 1 || findings[0].Code != test.want || !strings.Contains(findings[0].Message, test.says)):
				t.Errorf("%v, want one %s that says %q", findings, test.want, test.says)
			}
		})
	}
}
