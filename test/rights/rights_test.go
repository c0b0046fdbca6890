// Package rights proves that the RBAC in config/rbac is what the controller needs, and no more.
package rights

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/certificate"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

const (
	patience  = time.Minute
	namespace = "kubectl-fluid-system"
	account   = "system:serviceaccount:" + namespace + ":kubectl-fluid-controller"
)

// policy lets the API server log every request with its metadata only.
const policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n"

// world is a control plane with the controller as a process that has its ServiceAccount's rights.
type world struct {
	*testing.T
	cluster *cluster.Cluster
	client  client.Client
	source  string
	audit   string
}

// TestRightsOfTheControllerSufficeAndAreUsed lets the controller live with the shipped RBAC and the Roles for Secrets
// that its finding asks for: nothing but those Secrets, before they were granted, was forbidden to it, and every right
// that it has was used.
func TestRightsOfTheControllerSufficeAndAreUsed(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a control plane")
	}
	w := start(t)
	w.servePhysical()
	ref := w.mirrorSecrets()
	w.repairAndRevoke(ref)
	w.meetOtherRuntimes()
	w.deleteWithPods(ref)
	w.deletePhysical()
	w.renewAuthority()

	requests := w.requests()
	if len(requests) < 50 {
		t.Fatalf("there are only %d requests in the audit log", len(requests))
	}
	for _, r := range requests {
		if r.forbidden() && !(r.Object.Resource == "secrets" && slices.Contains([]string{"default", "ref"}, r.Object.Namespace)) {
			t.Errorf("it was forbidden to %s", r)
		}
	}
	for _, right := range w.rights() {
		if !slices.ContainsFunc(requests, right.covers) {
			t.Errorf("it never needed the right to %s", right)
		}
	}
}

func start(t *testing.T) *world {
	t.Helper()
	source, err := cluster.SourceRoot()
	if err != nil {
		t.Fatal(err)
	}
	directory, err := os.MkdirTemp("", "rights")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	w := &world{T: t, source: source, audit: filepath.Join(directory, "audit.log")}
	policyFile := filepath.Join(directory, "policy.yaml")
	if err = os.WriteFile(policyFile, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	w.cluster, err = cluster.Start(ctx, cluster.Options{StateDir: filepath.Join(directory, "cluster"), Out: os.Stderr, APIServerArgs: []string{
		"--enable-aggregator-routing=false", "--audit-policy-file=" + policyFile, "--audit-log-path=" + w.audit,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if stopErr := w.cluster.Stop(ctx); stopErr != nil {
			t.Error(stopErr)
		}
	})
	config, err := w.cluster.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, datav1alpha1.AddToScheme} {
		if err = add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	w.install()
	if w.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	return w
}

// kubectl runs kubectl as the cluster's administrator.
func (w *world) kubectl(stdin string, args ...string) string {
	w.Helper()
	command := exec.Command(filepath.Join(w.cluster.BinDir(), "kubectl"), append([]string{"--kubeconfig", w.cluster.Kubeconfig()}, args...)...)
	command.Stdin, command.Dir = strings.NewReader(stdin), w.source
	output, err := command.CombinedOutput()
	if err != nil {
		w.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// install applies config/host, CRDs of Fluid's other runtimes, and runs the controller.
func (w *world) install() {
	w.Helper()
	ports, err := cluster.FreePorts(2)
	if err != nil {
		w.Fatal(err)
	}
	manifests := strings.ReplaceAll(w.kubectl("", "kustomize", "config/host"), "port: 443\n", "port: "+ports[0]+"\n")
	w.kubectl(manifests, "apply", "--server-side", "-f", "-")
	w.kubectl("", "wait", "--for=condition=Established", "crd/datasets.data.fluid.io", "crd/thinruntimes.data.fluid.io", "--timeout=30s")
	crd, err := os.ReadFile(filepath.Join(w.source, "test/load/testdata/alluxioruntimes.yaml"))
	if err != nil {
		w.Fatal(err)
	}
	for _, kind := range []string{"Alluxio", "Jindo", "JuiceFS"} {
		renamed := strings.ReplaceAll(string(crd), "Alluxio", kind)
		w.kubectl(strings.ReplaceAll(renamed, "alluxio", strings.ToLower(kind)), "apply", "-f", "-")
	}
	// The pod that the controller would run in.
	w.kubectl("apiVersion: v1\nkind: Pod\nmetadata: {name: replica, namespace: "+namespace+", labels: {app.kubernetes.io/name: kubectl-fluid-controller}}\n"+
		"spec:\n  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n"+
		"  containers: [{name: c, image: c, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]\n", "create", "-f", "-")
	build := exec.Command("go", "build", "-o", w.cluster.BinDir()+"/", "./cmd/controller")
	build.Dir = w.source
	if output, buildErr := build.CombinedOutput(); buildErr != nil {
		w.Fatalf("%v\n%s", buildErr, output)
	}
	kubeconfig, err := w.cluster.ServiceAccountKubeconfig(w.Context(), namespace, "kubectl-fluid-controller")
	if err != nil {
		w.Fatal(err)
	}
	err = w.cluster.Run("controller", "--kubeconfig="+kubeconfig, "--namespace="+namespace, "--pod=replica", "--leader-elect",
		"--webhook-port="+ports[0], "--metrics-bind-address=0", "--health-probe-bind-address=127.0.0.1:"+ports[1])
	if err != nil {
		w.Fatal(err)
	}
	if err := cluster.AwaitReady(w.Context(), "http://127.0.0.1:"+ports[1]+"/readyz"); err != nil {
		w.Fatal(err)
	}
}

func (w *world) await(what string, complaint func() string) {
	w.Helper()
	harness.Eventually(w, patience, func() error {
		if text := complaint(); text != "" {
			return fmt.Errorf("%s: %s", what, text)
		}
		return nil
	})
}

func (w *world) awaitPhase(namespace, name string, phase datav1alpha1.DatasetPhase) *datav1alpha1.Dataset {
	w.Helper()
	dataset := &datav1alpha1.Dataset{}
	w.await(namespace+"/"+name+" is "+string(phase), func() string {
		if err := w.client.Get(w.Context(), types.NamespacedName{Namespace: namespace, Name: name}, dataset); err != nil {
			return err.Error()
		}
		if dataset.Status.Phase != phase {
			return fmt.Sprintf("its status is %+v", dataset.Status)
		}
		return ""
	})
	return dataset
}

const physical = `
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntimeProfile
metadata: {name: nfs}
spec:
  fileSystemType: nfs
  fuse:
    image: example.com/nfs
    imageTag: v1
    command: [/entrypoint.sh]
    podMetadata: {annotations: {kubectl-fluid.dev/unprivileged-client: "{}"}}
---
apiVersion: v1
kind: Secret
metadata: {name: nfs-secret, namespace: default}
stringData: {password: canary}
---
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: phy, namespace: default}
spec:
  mounts:
  - mountPoint: nfs://example.com/data
    name: data
    encryptOptions: [{name: password, valueFrom: {secretKeyRef: {name: nfs-secret, key: password}}}]
---
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntime
metadata: {name: phy, namespace: default}
spec: {profileName: nfs}
`

// servePhysical: a ThinRuntime from its profile, and changes of both that it follows.
func (w *world) servePhysical() {
	w.Helper()
	w.kubectl(physical, "apply", "-f", "-")
	w.awaitPhase("default", "phy", datav1alpha1.BoundPhase)
	w.kubectl(strings.ReplaceAll(strings.ReplaceAll(physical, "imageTag: v1", "imageTag: v2"), "example.com/data", "example.com/other"), "apply", "-f", "-")
	w.kubectl("", "label", "pv/default-phy", datav1alpha1.LabelDatasetID+"-")
	w.kubectl("", "label", "pvc/phy", datav1alpha1.LabelDatasetID+"-")
	w.await("the labels are put back", func() string {
		return strings.Replace(w.kubectl("", "get", "pv,pvc", "-o", "jsonpath={.items[*].metadata.labels.fluid\\.io/dataset-id}"), "default-phy default-phy", "", 1)
	})
	w.await("the DaemonSet and its ConfigMap follow", func() string {
		made := w.kubectl("", "get", "daemonset/phy-fuse", "configmap/phy-fuse-conf", "-o", "yaml")
		if !strings.Contains(made, "example.com/nfs:v2") || !strings.Contains(made, "example.com/other") {
			return made
		}
		return ""
	})
}

// mirrorSecrets: a reference whose finding asks for Roles, and gets just these.
func (w *world) mirrorSecrets() *datav1alpha1.Dataset {
	w.Helper()
	w.kubectl("", "create", "namespace", "ref")
	w.kubectl("apiVersion: data.fluid.io/v1alpha1\nkind: Dataset\nmetadata: {name: refdemo, namespace: ref}\nspec: {mounts: [{mountPoint: dataset://default/phy}]}\n", "create", "-f", "-")
	ref := w.awaitPhase("ref", "refdemo", datav1alpha1.NotBoundPhase)
	w.await("the finding", func() string {
		text := w.kubectl("", "get", "dataset/refdemo", "-n", "ref", "-o", "jsonpath={.status.conditions}")
		if command := reference.SecretBindingCommand("default", reference.DefaultController()); !strings.Contains(text, command) {
			return "the conditions are " + text
		}
		return ""
	})
	_, plan, err := observe.Plan(w.Context(), w.client, ref, reference.Policy{MirrorNames: reference.UniqueNames, Depth: reference.ForWriting})
	if err != nil {
		w.Fatal(err)
	}
	for _, access := range referencetest.SecretAccessOf(plan, reference.DefaultController()) {
		for _, object := range []client.Object{access.Role, access.Binding} {
			if err := w.client.Create(w.Context(), object); err != nil {
				w.Fatal(err)
			}
		}
	}
	w.touch("granted")
	return w.awaitPhase("ref", "refdemo", datav1alpha1.BoundPhase)
}

// touch makes an event of the reference, since granting a right or changing a Secret is none.
func (w *world) touch(value string) {
	w.Helper()
	w.kubectl("", "annotate", "dataset/refdemo", "-n", "ref", "--overwrite", "touched="+value)
}

// repairAndRevoke: mirrors that are edited and deleted come back, and go when the Dataset isn't shared any more.
func (w *world) repairAndRevoke(ref *datav1alpha1.Dataset) {
	w.Helper()
	secret, configMap := &corev1.Secret{}, &corev1.ConfigMap{}
	mirror := func(object client.Object, list client.ObjectList) {
		w.Helper()
		if err := w.client.List(w.Context(), list, client.InNamespace("ref"), client.HasLabels{reference.LabelReferenceUID}); err != nil {
			w.Fatal(err)
		}
		switch list := list.(type) {
		case *corev1.SecretList:
			*object.(*corev1.Secret) = list.Items[0]
		case *corev1.ConfigMapList:
			*object.(*corev1.ConfigMap) = list.Items[0]
		}
	}
	mirror(secret, &corev1.SecretList{})
	mirror(configMap, &corev1.ConfigMapList{})
	w.kubectl("", "patch", "configmap/"+configMap.Name, "-n", "ref", "--type=merge", "-p", `{"data":{"config.json":"edited"}}`)
	w.kubectl("", "patch", "secret/"+secret.Name, "-n", "ref", "--type=merge", "-p", `{"stringData":{"password":"edited"}}`)
	w.touch("edited")
	w.await("the mirrors are repaired", func() string {
		var now corev1.Secret
		if err := w.client.Get(w.Context(), client.ObjectKeyFromObject(secret), &now); err != nil || string(now.Data["password"]) != "canary" {
			return fmt.Sprint("the Secret isn't: ", err)
		}
		return ""
	})
	w.kubectl("", "annotate", "dataset/phy", reference.AnnotationSharedWith+"=somebody")
	w.await("the mirrors are gone", func() string {
		return w.kubectl("", "get", "configmaps,secrets", "-n", "ref", "-l", reference.LabelReferenceUID+"="+string(ref.UID), "-o", "name")
	})
	w.kubectl("", "annotate", "dataset/phy", reference.AnnotationSharedWith+"-")
	w.awaitPhase("ref", "refdemo", datav1alpha1.BoundPhase)
}

// meetOtherRuntimes: references to Datasets of Fluid's other runtimes, whose status is mirrored.
func (w *world) meetOtherRuntimes() {
	w.Helper()
	for _, kind := range []string{"alluxio", "jindo", "juicefs"} {
		c := referencetest.LoadCase(w, "healthy", "phy-"+kind, "ref-"+kind)
		status := c.Find("Dataset", "phy-"+kind, "phy").Object["status"].(map[string]any)
		status["runtimes"].([]any)[0].(map[string]any)["type"] = kind
		if kind == "juicefs" { // whose DaemonSet isn't Alluxio's; Jindo's has another name
			c.Objects = slices.DeleteFunc(c.Objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == "DaemonSet" })
		}
		if err := c.Create(w.Context(), w.client); err != nil {
			w.Fatal(err)
		}
	}
	w.awaitPhase("ref-alluxio", "refdemo", datav1alpha1.BoundPhase)
	for _, kind := range []string{"jindo", "juicefs"} {
		w.awaitPhase("ref-"+kind, "refdemo", datav1alpha1.NotBoundPhase)
	}
}

// deleteWithPods: pods with the sidecar keep the reference until they have gone. That there are fewer is said in the same
// event, which is patched.
func (w *world) deleteWithPods(ref *datav1alpha1.Dataset) {
	w.Helper()
	for _, name := range []string{"app", "other"} {
		pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", namespace: ref, labels: {serverless.fluid.io/inject: 'true'}}\n" +
			"spec:\n  containers: [{name: app, image: app, volumeMounts: [{name: data, mountPath: /data}]}]\n  volumes: [{name: data, persistentVolumeClaim: {claimName: refdemo}}]\n"
		w.kubectl(pod, "create", "-f", "-")
		if text := w.kubectl("", "get", "pod/"+name, "-n", "ref", "-o", "yaml"); !strings.Contains(text, "fluid-fuse-0") {
			w.Fatalf("the pod has no sidecar:\n%s", text)
		}
	}
	w.kubectl("", "delete", "dataset/refdemo", "-n", "ref", "--wait=false")
	said := func(what string) {
		w.Helper()
		w.await("an event of that", func() string {
			events := w.kubectl("", "get", "events.events.k8s.io", "-n", "ref", "-o", "json")
			if !strings.Contains(events, what) {
				return "the events are " + events
			}
			return ""
		})
	}
	said("ErrorDeleteDataset")
	w.kubectl("", "delete", "pod/app", "-n", "ref", "--force", "--grace-period=0")
	said(`"count": 2`)
	w.kubectl("", "delete", "pod/other", "-n", "ref", "--force", "--grace-period=0")
	w.awaitGone(ref)
}

// deletePhysical: the physical Dataset goes with all that its ThinRuntime has made.
func (w *world) deletePhysical() {
	w.Helper()
	w.kubectl("", "delete", "dataset/phy", "--wait=false")
	w.awaitGone(&datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "phy"}})
	w.awaitGone(&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "default-phy"}})
}

// renewAuthority: the webhooks' certificate authority is ten months old, and gets a successor.
func (w *world) renewAuthority() {
	w.Helper()
	old, err := certificate.NewAuthority(time.Now().AddDate(0, -10, 0))
	if err != nil {
		w.Fatal(err)
	}
	keys, err := certificate.Authorities{old}.Keys()
	if err != nil {
		w.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "kubectl-fluid-webhook-ca"}}
	if err := w.client.Get(w.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
		w.Fatal(err)
	}
	for name := range secret.Data {
		secret.Data[name] = certificate.Authorities{old}.Bundle()
		if strings.HasSuffix(name, ".key") {
			secret.Data[name] = keys
		}
	}
	if err := w.client.Update(w.Context(), secret); err != nil {
		w.Fatal(err)
	}
	written := secret.ResourceVersion
	w.await("the authority is renewed", func() string {
		if err := w.client.Get(w.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
			return err.Error()
		}
		if secret.ResourceVersion == written {
			return "the Secret is as it was"
		}
		return ""
	})
}

func (w *world) awaitGone(object client.Object) {
	w.Helper()
	w.await("deletion", func() string {
		err := w.client.Get(w.Context(), client.ObjectKeyFromObject(object), object)
		if client.IgnoreNotFound(err) != nil || err == nil {
			return fmt.Sprintf("%v, finalizers %v", err, object.GetFinalizers())
		}
		return ""
	})
}
