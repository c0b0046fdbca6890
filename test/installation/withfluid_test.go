package installation

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

// TestMovingFromFluidAndBack moves a reference that Fluid's controllers have made to this controller, while a double of
// theirs goes on writing its status, and back, as docs/with-fluid.md says.
func TestMovingFromFluidAndBack(t *testing.T) {
	needNode(t)
	// A physical Dataset for Fluid's part: it is Bound, and has its template.
	documented(t, walkthrough.Install()...)
	for _, line := range []string{
		"apply -f examples/walkthrough/origin.yaml -f examples/walkthrough/profile.yaml -f examples/walkthrough/phy.yaml",
		"wait pod/origin --for=condition=Ready --timeout=60s",
		"wait dataset/phy --for=jsonpath={.status.phase}=Bound --timeout=60s",
		// Another test may have left a list of namespaces: Fluid knows none.
		"annotate dataset phy kubectl-fluid.dev/shared-with-",
	} {
		kubectl(t, "", line)
	}
	documented(t, walkthrough.Remove()...)
	fluidMakesReference(t)
	before := identities(t)
	stop := fluidWritesStatus(t)
	defer stop()

	documented(t, walkthrough.BesideFluid()...)
	t.Run("a new pod gets our sidecar, with a mirror instead of Fluid's stale copy", podReadsMirror)
	t.Run("what Fluid made stays as it was", func(t *testing.T) { stays(t, before) })
	t.Run("everything of Fluid's and the running pod survive moving back", func(t *testing.T) {
		pod := kubectl(t, "", "get pod reader -n moving -o jsonpath={.metadata.uid}:{.status.containerStatuses[*].restartCount}")
		documented(t, walkthrough.Remove()...)
		nothingOfOurs(t)
		stays(t, before)
		if after := kubectl(t, "", "get pod reader -n moving -o jsonpath={.metadata.uid}:{.status.containerStatuses[*].restartCount}"); after != pod {
			t.Errorf("the pod was %s, and is %s", pod, after)
		}
		if output := kubectl(t, "", "exec reader -n moving -c nginx -- ls /data_spark"); output != "spark\n" {
			t.Errorf("the pod reads %q", output)
		}
	})
}

// fluidMakesReference makes the reference moving/data and what Fluid's controllers make for it.
func fluidMakesReference(t *testing.T) {
	t.Helper()
	kubectl(t, "", "create namespace moving")
	kubectl(t, `apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata:
  name: data
  namespace: moving
  finalizers: [fluid-dataset-controller-finalizer]
  labels: {fluid.io/dataset-id: moving-data}
spec:
  mounts:
  - mountPoint: dataset://default/phy
`, "create -f -")
	text, err := os.ReadFile("testdata/fluid-reference.yaml")
	if err != nil {
		t.Fatal(err)
	}
	uid := kubectl(t, "", "get dataset data -n moving -o jsonpath={.metadata.uid}")
	objects := strings.NewReplacer("uid: UID", "uid: "+uid, "MOUNTROOT", live.Cluster.MountRoot()).Replace(string(text))
	kubectl(t, objects, "create -f -")
}

// fluidWritesStatus starts a double of Fluid's thinruntime-controller: it copies the physical Dataset's status over the
// reference's, as often as Fluid does at most, until the returned function is called.
func fluidWritesStatus(t *testing.T) (stop func()) {
	t.Helper()
	config, err := live.Cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	datasets := client.Resource(schema.GroupVersionResource{Group: "data.fluid.io", Version: "v1alpha1", Resource: "datasets"})
	ctx, cancel := context.WithCancel(context.Background())
	var double sync.WaitGroup
	double.Go(func() {
		for ctx.Err() == nil {
			if err := copyStatus(ctx, datasets); err != nil && ctx.Err() == nil {
				t.Errorf("Fluid's double: %v", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	return func() {
		cancel()
		double.Wait()
	}
}

// copyStatus writes the reference's status as Fluid does (engine of references, Sync): the physical one's, with the
// reference's own runtime, and without its list of references. This controller writes what it thinks is right again: the
// test is that everything else goes on under that.
func copyStatus(ctx context.Context, datasets dynamic.NamespaceableResourceInterface) error {
	physical, err := datasets.Namespace("default").Get(ctx, "phy", metav1.GetOptions{})
	if err != nil {
		return err
	}
	status, _, err := unstructured.NestedMap(physical.Object, "status")
	if err != nil {
		return err
	}
	delete(status, "datasetRef")
	status["runtimes"] = []any{map[string]any{"name": "data", "namespace": "moving", "category": "Accelerate", "type": "thin"}}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = datasets.Namespace("moving").Patch(ctx, "data", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "fluid"}, "status")
	return err
}

func podReadsMirror(t *testing.T) {
	text := strings.NewReplacer("namespace: ref", "namespace: moving", "claimName: refdemo", "claimName: data").Replace(pod("reader"))
	eventually(t, time.Minute, func() error {
		_, err := live.Output(t.Context(), text, "kubectl", "create", "-f", "-")
		return err
	})
	kubectl(t, "", "wait pod/reader -n moving --for=condition=Ready --timeout=90s")
	if output := kubectl(t, "", "exec reader -n moving -c nginx -- ls /data_spark"); output != "spark\n" {
		t.Errorf("the pod reads %q", output)
	}
	spec := kubectl(t, "", "get pod reader -n moving -o jsonpath={.spec}")
	if strings.Contains(spec, `"name":"phy-fuse-conf"`) || !strings.Contains(spec, "data-phy-fuse-conf-") {
		t.Errorf("the pod doesn't use a mirror with a name of its own: %s", spec)
	}
}

// identities returns the UIDs and contents of what Fluid made for the reference.
func identities(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range []string{"dataset/data", "thinruntime/data", "persistentvolumeclaim/data", "persistentvolume/moving-data", "configmap/phy-fuse-conf"} {
		found[object] = kubectl(t, "", "get "+object+" -n moving -o jsonpath={.metadata.uid}{.metadata.annotations.CreatedBy}{.spec.volumeName}{.spec.csi.volumeAttributes}{.data}")
	}
	return found
}

func stays(t *testing.T, before map[string]string) {
	t.Helper()
	for object, now := range identities(t) {
		if now != before[object] {
			t.Errorf("%s was %s, and is %s", object, before[object], now)
		}
	}
}
