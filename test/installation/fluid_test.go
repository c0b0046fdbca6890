package installation

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/yaml"
)

// Fluid's own source, as a Go module, with the checksum that go.sum would have.
const (
	fluidModule   = "github.com/fluid-cloudnative/fluid@v1.0.8"
	fluidChecksum = "h1:sZEOFWo5N8r+RyyD9PyLB3GgjergRR4yKspn64dltS8="
)

// fluidChart returns the directory of Fluid's Helm chart, with its CRDs.
func fluidChart(t *testing.T) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", fluidModule)
	command.Dir = t.TempDir() // of no module
	output, err := command.Output()
	var module struct{ Dir, Sum string }
	if err == nil {
		err = json.Unmarshal(output, &module)
	}
	if err != nil || module.Sum != fluidChecksum {
		t.Fatalf("downloading %s: %v, its checksum is %q: %s", fluidModule, err, module.Sum, output)
	}
	return filepath.Join(module.Dir, "charts", "fluid", "fluid")
}

// installFluidCRDs installs Fluid's CRDs as Helm does: it creates them.
func installFluidCRDs(t *testing.T) {
	t.Helper()
	for _, plural := range []string{"datasets", "thinruntimes", "thinruntimeprofiles", "alluxioruntimes", "jindoruntimes", "juicefsruntimes"} {
		kubectl(t, "", "create --field-manager=helm -f "+filepath.Join(fluidChart(t), "crds", "data.fluid.io_"+plural+".yaml"))
	}
	kubectl(t, "", "wait --for=condition=Established crd --all --timeout=30s")
}

// fluid is a double of Fluid's controllers and its webhook, for the reference moving/data to default/phy.
type fluid struct {
	datasets dynamic.NamespaceableResourceInterface
	core     kubernetes.Interface
	// path is where its FUSE clients mount on the node.
	path string
}

func newFluid(t *testing.T) *fluid {
	t.Helper()
	config, err := live.Cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	core, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	datasets := client.Resource(schema.GroupVersionResource{Group: "data.fluid.io", Version: "v1alpha1", Resource: "datasets"})
	return &fluid{datasets: datasets, core: core, path: live.Cluster.MountRoot() + "/thin/default/phy/thin-fuse"}
}

// makeReference makes the reference moving/data and what Fluid's controllers make for it.
func (f *fluid) makeReference(t *testing.T) {
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
	objects := strings.NewReplacer("uid: UID", "uid: "+uid, "FLUIDPATH", f.path).Replace(string(text))
	kubectl(t, objects, "create -f -")
	f.copyTemplate(t, types.UID(uid))
	f.copyConfigMap(t, types.UID(uid))
}

func fluidOwned(uid types.UID, id string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "moving", Labels: map[string]string{"fluid.io/dataset-id": id},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "data.fluid.io/v1alpha1", Kind: "Dataset", Name: "data", UID: uid}}}
}

// copyTemplate copies the DaemonSet from which Fluid's webhook takes the sidecar. What exists stays.
func (f *fluid) copyTemplate(t *testing.T, owner types.UID) {
	t.Helper()
	source, err := f.core.AppsV1().DaemonSets("default").Get(t.Context(), "phy-fuse", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	duplicate := &appsv1.DaemonSet{ObjectMeta: fluidOwned(owner, "moving-data"), Spec: source.Spec}
	duplicate.Name, duplicate.Spec.Template.Spec.NodeSelector = "data-fuse", map[string]string{"fluid.io/fuse-balloon": "true"}
	if _, err := f.core.AppsV1().DaemonSets("moving").Create(t.Context(), duplicate, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// copyConfigMap copies the FUSE client's configuration under its own name. What exists stays.
func (f *fluid) copyConfigMap(t *testing.T, owner types.UID) {
	t.Helper()
	source, err := f.core.CoreV1().ConfigMaps("default").Get(t.Context(), "phy-fuse-conf", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	duplicate := &corev1.ConfigMap{ObjectMeta: fluidOwned(owner, "moving-phy-fuse-conf"), Data: source.Data}
	duplicate.Name = source.Name
	if _, err := f.core.CoreV1().ConfigMaps("moving").Create(t.Context(), duplicate, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
}

// fluidController is the Deployment of what the double does with statuses; without it nothing is written.
const fluidController = `apiVersion: apps/v1
kind: Deployment
metadata: {name: thinruntime-controller, namespace: fluid-system}
spec:
  replicas: 0
  selector: {matchLabels: {control-plane: thinruntime-controller}}
  template:
    metadata: {labels: {control-plane: thinruntime-controller}}
    spec: {containers: [{name: manager, image: fluid}]}
`

// runController copies the physical Dataset's status over the reference's, more often than Fluid does, where Fluid's
// thinruntime-controller is installed, until the returned function is called.
func (f *fluid) runController(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			_, err := f.core.AppsV1().Deployments("fluid-system").Get(ctx, "thinruntime-controller", metav1.GetOptions{})
			if err == nil {
				err = f.copyStatus(ctx)
			} else if apierrors.IsNotFound(err) {
				err = nil
			}
			if err != nil && ctx.Err() == nil {
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
		writer.Wait()
	}
}

// copyStatus writes the reference's status as Fluid does (engine of references, Sync): the physical one's, with the
// reference's own runtime, and without its list of references. This controller writes what it thinks is right again: the
// test is that everything else goes on under that.
func (f *fluid) copyStatus(ctx context.Context) error {
	physical, err := f.datasets.Namespace("default").Get(ctx, "phy", metav1.GetOptions{})
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
	_, err = f.datasets.Namespace("moving").Patch(ctx, "data", types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "fluid"}, "status")
	return err
}

// injectSidecars installs Fluid's webhook, until the returned function is called: it has the name and the labels of
// Fluid's own, and injects as that does by default, with the names that the DaemonSet of the reference has.
func (f *fluid) injectSidecars(t *testing.T) (turnOff func()) {
	t.Helper()
	server := httptest.NewTLSServer(&admission.Webhook{Handler: admission.HandlerFunc(func(ctx context.Context, request admission.Request) admission.Response {
		pod := &corev1.Pod{}
		if err := json.Unmarshal(request.Object.Raw, pod); err != nil {
			return admission.Errored(http.StatusBadRequest, err)
		}
		if pod.Labels["done.sidecar.fluid.io/inject"] == "true" {
			return admission.Allowed("")
		}
		template, err := f.core.AppsV1().DaemonSets("moving").Get(ctx, "data-fuse", metav1.GetOptions{})
		if err != nil {
			return admission.Errored(http.StatusInternalServerError, err)
		}
		f.inject(pod, &template.Spec.Template.Spec)
		changed, err := json.Marshal(pod)
		if err != nil {
			return admission.Errored(http.StatusInternalServerError, err)
		}
		return admission.PatchResponseFromRaw(request.Object.Raw, changed)
	})})
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "fluid-pod-admission-webhook"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "sidecar.fuse.fluid.io",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				URL:      &server.URL,
				CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			NamespaceSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "moving"}},
			ObjectSelector:          &metav1.LabelSelector{MatchLabels: map[string]string{"serverless.fluid.io/inject": "true"}},
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
			FailurePolicy:           new(admissionregistrationv1.Fail),
		}},
	}
	configurations := f.core.AdmissionregistrationV1().MutatingWebhookConfigurations()
	if _, err := configurations.Create(t.Context(), configuration, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return func() {
		if err := configurations.Delete(context.Background(), configuration.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// inject makes the first container the FUSE client of the template, and mounts what it mounts in place of the claim.
func (f *fluid) inject(pod *corev1.Pod, template *corev1.PodSpec) {
	sidecar := template.Containers[0].DeepCopy()
	sidecar.Name, sidecar.Lifecycle = "fluid-fuse-0", nil
	for i := range sidecar.VolumeMounts {
		sidecar.VolumeMounts[i].Name += "-0"
	}
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].PersistentVolumeClaim != nil {
			pod.Spec.Volumes[i].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: f.path}}
			for j := range pod.Spec.Containers[0].VolumeMounts {
				if mount := &pod.Spec.Containers[0].VolumeMounts[j]; mount.Name == pod.Spec.Volumes[i].Name {
					mount.MountPropagation = new(corev1.MountPropagationHostToContainer)
				}
			}
		}
	}
	for _, volume := range template.Volumes {
		volume.Name += "-0"
		pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
	}
	pod.Spec.Containers = append([]corev1.Container{*sidecar}, pod.Spec.Containers...)
	pod.Labels["done.sidecar.fluid.io/inject"] = "true"
}

// TestHelmValuesOfFluidAreNamedRight: the values of Fluid's chart that docs/with-fluid.md names are there.
func TestHelmValuesOfFluidAreNamedRight(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(fluidChart(t), "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err = yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/with-fluid.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"webhook.enabled", "runtime.thin.enabled", "runtime.alluxio.enabled", "dataset.replicas", "csi.enabled", "fluidapp.enabled", "crdUpgrade.enabled"} {
		if _, found, err := unstructured.NestedFieldNoCopy(values, strings.Split(name, ".")...); !found || err != nil {
			t.Errorf("Fluid's chart has no value %s", name)
		}
		if !strings.Contains(string(page), "`"+name) {
			t.Errorf("docs/with-fluid.md doesn't name %s", name)
		}
	}
}
