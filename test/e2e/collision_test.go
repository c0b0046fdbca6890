package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// TestForeignConfigMapOfFluidsName: a ConfigMap that has the name that Fluid's copy would have stays as it is, and the
// reference works beside it.
func TestForeignConfigMapOfFluidsName(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "collision")
	var foreign []*corev1.ConfigMap
	for _, name := range []string{"phy-fuse-conf", "phy-config"} {
		configMap := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string]string{"config.json": "{}"}}
		if err := shared.client.Create(t.Context(), configMap); err != nil {
			t.Fatal(err)
		}
		foreign = append(foreign, configMap)
	}
	kubectl(t, "fluid ref create refdemo --from default/phy --wait --timeout=30s -n "+namespace)
	kubectl(t, "create -f examples/walkthrough/nginx.yaml -n "+namespace)
	if shared.Node {
		kubectl(t, "wait pod/nginx --for=condition=Ready --timeout=60s -n "+namespace)
		if output := kubectl(t, "exec nginx -c nginx -n "+namespace+" -- ls /data_spark"); output != "spark\n" {
			t.Errorf("ls prints %q", output)
		}
	}
	kubectl(t, "delete pod/nginx --timeout=60s -n "+namespace)
	kubectl(t, "delete dataset/refdemo --timeout=60s -n "+namespace)
	for _, before := range foreign {
		after := get(t, namespace, before.Name, &corev1.ConfigMap{})
		if !equality.Semantic.DeepEqual(before.ObjectMeta, after.ObjectMeta) || !equality.Semantic.DeepEqual(before.Data, after.Data) {
			t.Errorf("ConfigMap %s was %+v and is %+v", before.Name, before, after)
		}
	}
}

// TestReferenceKeepsPhysical: a physical Dataset that is deleted stays, and goes on serving, until its last reference
// is gone.
func TestReferenceKeepsPhysical(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "physical")
	manifest := `
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: data}
spec: {mounts: [{mountPoint: "http://origin.default.svc.cluster.local/apache/spark/", name: spark}]}
---
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntime
metadata: {name: data}
spec: {profileName: rclone}
`
	if _, err := shared.Output(t.Context(), manifest, "kubectl", "apply", "-n", namespace, "-f", "-"); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "fluid ref create borrowed --wait --timeout=30s --from "+namespace+"/data -n "+namespace)
	kubectl(t, "delete dataset data --wait=false -n "+namespace)
	if message := kubectlError(t, "", "wait dataset/data --for=delete --timeout=2s -n "+namespace); !strings.Contains(message, "timed out") {
		t.Errorf("waiting ended with %s", message)
	}
	if ref := get(t, namespace, "borrowed", &datav1alpha1.Dataset{}); ref.Status.Phase != datav1alpha1.BoundPhase {
		t.Errorf("the reference is %s", ref.Status.Phase)
	}
	kubectl(t, "delete dataset borrowed --timeout=30s -n "+namespace)
	kubectl(t, "wait dataset/data --for=delete --timeout=30s -n "+namespace)
}
