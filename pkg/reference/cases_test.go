package reference_test

import (
	"errors"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestCasesFromFiles: of objects as files have them there is found what each case says. The same cases are tried on a
// live cluster and with the controller.
func TestCasesFromFiles(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), datav1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	for _, name := range referencetest.CaseNames(t) {
		t.Run(name, func(t *testing.T) {
			c := referencetest.LoadCase(t, name, "default", "ref")
			builder := fake.NewClientBuilder().WithScheme(scheme).WithReturnManagedFields()
			for _, object := range c.Objects {
				builder.WithObjects(object)
			}
			reader := builder.Build()
			dataset := &datav1alpha1.Dataset{}
			if err := reader.Get(t.Context(), types.NamespacedName{Namespace: "ref", Name: "refdemo"}, dataset); err != nil {
				t.Fatal(err)
			}
			world, err := observe.Reference(t.Context(), reader, dataset, c.MirrorNames)
			if err != nil {
				t.Fatal(err)
			}
			world.Sharing = c.Sharing
			if got := referencetest.Wanted(NewPlan(world).Findings); !slices.Equal(got, c.Findings) {
				t.Errorf("the findings are\n%q, want\n%q", got, c.Findings)
			}
		})
	}
}
