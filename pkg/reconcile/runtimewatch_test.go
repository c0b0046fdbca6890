package reconcile

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
)

// TestRuntimeStatusReachesReferencesByEvent: also of a kind whose CRD is installed after the controller started and
// after the references were made.
func TestRuntimeStatusReachesReferencesByEvent(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "alluxio")
	ref := newBoundReference(t, physical)
	installRuntimeKind(t, "AlluxioRuntime")
	runtime := newRuntime(t, "AlluxioRuntime", physical, map[string]any{"fusePhase": "NotReady"})
	// Its controller makes the physical Dataset Bound, which is an event.
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
	patch := func(object client.Object, text string) error {
		return livetest.Client().Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(text)))
	}
	if err := livetest.Client().Status().Patch(t.Context(), dataset, client.RawPatch(types.MergePatchType, []byte(`{"status":{"ufsTotal":"7.00B"}}`))); err != nil {
		t.Fatal(err)
	}
	thin := &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}}
	mirrors := func(phase datav1alpha1.RuntimePhase) {
		t.Helper()
		livetest.Eventually(t, "the status of the ThinRuntime", func() string {
			if livetest.Refresh(t, thin); thin.Status.FusePhase == phase {
				return ""
			}
			return "its FUSE phase is " + string(thin.Status.FusePhase)
		})
	}
	mirrors("NotReady")
	if len(thin.Status.Mounts) != 1 || thin.Status.Mounts[0].MountPoint != "dataset://"+physical+"/phy" {
		t.Errorf("by the ThinRuntime's status nobody finds the physical Dataset: %+v", thin.Status.Mounts)
	}
	for _, phase := range []datav1alpha1.RuntimePhase{"PartialReady", "Ready"} { // events of the runtime alone
		if err := patch(runtime, `{"status":{"fusePhase":"`+string(phase)+`"}}`); err != nil {
			t.Fatal(err)
		}
		mirrors(phase)
	}
}

// installRuntimeKind installs the CRD of a kind of Fluid's runtimes until the test ends: other tests have a cluster
// without it.
func installRuntimeKind(t *testing.T, kind string) {
	t.Helper()
	text, err := os.ReadFile("../../test/load/testdata/alluxioruntimes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.NewReplacer("AlluxioRuntime", kind, "alluxioruntime", strings.ToLower(kind)).Replace(string(text))
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(moved), crd); err != nil {
		t.Fatal(err)
	}
	livetest.Create(t, crd)
	t.Cleanup(func() {
		ctx := context.Background()
		err := livetest.Client().Delete(ctx, crd)
		for end := time.Now().Add(livetest.Patience); err == nil && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			err = livetest.Client().Get(ctx, client.ObjectKeyFromObject(crd), crd)
		}
		if !apierrors.IsNotFound(err) {
			t.Error("the CRD of ", kind, " is still there: ", err)
		}
	})
}

// newRuntime creates the runtime of the physical Dataset phy, as soon as its kind is served.
func newRuntime(t *testing.T, kind, physical string, status map[string]any) *unstructured.Unstructured {
	t.Helper()
	runtime := newUnstructured(datav1alpha1.GroupVersion.String(), kind, physical, "phy")
	runtime.Object["status"] = status
	livetest.Eventually(t, "a "+kind, func() string {
		if err := livetest.Client().Create(t.Context(), runtime); meta.IsNoMatchError(err) || client.IgnoreAlreadyExists(err) != nil {
			return err.Error()
		}
		return ""
	})
	return runtime
}
