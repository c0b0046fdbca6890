package reconcile

import (
	"context"
	"os"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// TestRuntimeStatusReachesReferencesByEvent: also of a kind whose CRD is installed after the controller started and
// after the references were made.
func TestRuntimeStatusReachesReferencesByEvent(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "alluxio")
	ref := newBoundReference(t, physical)
	text, err := os.ReadFile("../../test/load/testdata/alluxioruntimes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, crd); err != nil {
		t.Fatal(err)
	}
	create(t, crd)
	t.Cleanup(func() { // other tests have a cluster without it
		gone := crd.DeepCopy()
		_ = live.client.Delete(context.Background(), gone)
	})
	runtime := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"fusePhase": "NotReady"}}}
	runtime.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind("AlluxioRuntime"))
	runtime.SetNamespace(physical)
	runtime.SetName("phy")
	eventually(t, "an AlluxioRuntime", func() string {
		if err := live.client.Create(t.Context(), runtime); meta.IsNoMatchError(err) || client.IgnoreAlreadyExists(err) != nil {
			return err.Error()
		}
		return ""
	})
	// Its controller makes the physical Dataset Bound, which is an event.
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
	patch := func(object client.Object, text string) error {
		return live.client.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(text)))
	}
	if err := live.client.Status().Patch(t.Context(), dataset, client.RawPatch(types.MergePatchType, []byte(`{"status":{"ufsTotal":"7.00B"}}`))); err != nil {
		t.Fatal(err)
	}
	thin := &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}}
	mirrors := func(phase datav1alpha1.RuntimePhase) {
		t.Helper()
		eventually(t, "the status of the ThinRuntime", func() string {
			if refresh(t, thin); thin.Status.FusePhase == phase {
				return ""
			}
			return "its FUSE phase is " + string(thin.Status.FusePhase)
		})
	}
	mirrors("NotReady")
	for _, phase := range []datav1alpha1.RuntimePhase{"PartialReady", "Ready"} { // events of the runtime alone
		if err := patch(runtime, `{"status":{"fusePhase":"`+string(phase)+`"}}`); err != nil {
			t.Fatal(err)
		}
		mirrors(phase)
	}
}
