package plugin

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// realCluster is an API server with what the tests put there.
type realCluster struct {
	kubeconfig string
	config     *rest.Config
	admin      client.Client
}

func newRealCluster(t *testing.T) *realCluster {
	t.Helper()
	c := startCluster(t)
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := cluster.NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(config, client.Options{Scheme: scheme, Mapper: cluster.NewMapper()})
	if err != nil {
		t.Fatal(err)
	}
	return &realCluster{kubeconfig: c.Kubeconfig(), config: config, admin: admin}
}

// put creates the objects of files in testdata that aren't there yet, with their status, and a namespace.
func (r *realCluster) put(t *testing.T, namespace string, files ...string) {
	t.Helper()
	objects := load(t, files...)
	if namespace != "" {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
		object.SetName(namespace)
		objects = append([]*unstructured.Unstructured{object}, objects...)
	}
	// Namespaces aren't among the kinds of NewMapper.
	all, err := client.New(r.config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		status, hasStatus := object.Object["status"]
		object.SetUID("")
		if err := all.Create(t.Context(), object); apierrors.IsAlreadyExists(err) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		if hasStatus && object.GetKind() == datav1alpha1.DatasetKind {
			object.Object["status"] = status
			if err := all.Status().Update(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// run runs a command line against the cluster.
func (r *realCluster) run(t *testing.T, command string) result {
	t.Helper()
	return run(t.Context(), nil, command+" --kubeconfig "+r.kubeconfig)
}

// runHeard is run with somebody who hears what is said on stderr.
func (r *realCluster) runHeard(t *testing.T, said *listener, command string) result {
	t.Helper()
	env := Environment{IOStreams: genericiooptions.IOStreams{ErrOut: said}}
	return runIn(t.Context(), env, strings.Fields(command+" --kubeconfig "+r.kubeconfig))
}

// versions returns the resource versions of everything that the plugin could touch.
func (r *realCluster) versions(t *testing.T) string {
	t.Helper()
	var all []string
	for _, kind := range []schema.GroupVersionKind{
		{Group: "data.fluid.io", Version: "v1alpha1", Kind: "DatasetList"}, {Group: "data.fluid.io", Version: "v1alpha1", Kind: "ThinRuntimeList"},
		{Version: "v1", Kind: "ConfigMapList"}, {Version: "v1", Kind: "SecretList"}, {Version: "v1", Kind: "PersistentVolumeClaimList"},
		{Version: "v1", Kind: "PersistentVolumeList"}, {Group: "apps", Version: "v1", Kind: "DaemonSetList"},
	} {
		items, err := listAll(t.Context(), r.config, kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range items {
			version := item.GetResourceVersion()
			// The control plane's own controllers write these: neither they nor their versions are the plugin's doing.
			if item.GetName() == "kube-root-ca.crt" {
				continue
			}
			if item.GetKind() == "DaemonSet" || item.GetKind() == "PersistentVolume" || item.GetKind() == "PersistentVolumeClaim" {
				version = string(item.GetUID())
			}
			all = append(all, fmt.Sprintf("%s %s/%s %s", item.GetKind(), item.GetNamespace(), item.GetName(), version))
		}
	}
	return strings.Join(all, "\n")
}

// mustNotWrite runs a command line, compares the cluster before and after, and returns the result.
func (r *realCluster) mustNotWrite(t *testing.T, command string, want int) result {
	t.Helper()
	before := r.versions(t)
	res := r.run(t, command)
	if res.code != want {
		t.Errorf("%s: want exit code %d\n%s", command, want, res.text())
	}
	if after := r.versions(t); after != before {
		t.Errorf("%s wrote; before:\n%s\nafter:\n%s", command, before, after)
	}
	return res
}

func TestRealCreate(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "real", "alluxio.yaml", "thin.yaml")
	r.mustNotWrite(t, "ref create demo -n real --from default/phy --dry-run=client", ExitOK)
	res := r.mustNotWrite(t, "ref create demo -n real --from default/phy --dry-run=server", ExitOK)
	if !strings.HasSuffix(res.out, "dataset.data.fluid.io/demo created (server dry run)\n") {
		t.Error(res.text())
	}

	res = r.run(t, "ref create demo -n real --from default/phy")
	if res.code != ExitOK || !strings.HasSuffix(res.out, "dataset.data.fluid.io/demo created\n") {
		t.Fatal(res.text())
	}
	object := cluster.NewDatasetObject()
	key := types.NamespacedName{Namespace: "real", Name: "demo"}
	if err := r.admin.Get(t.Context(), key, object); err != nil {
		t.Fatal(err)
	}
	want := `map[accessModes:[ReadOnlyMany] mounts:[map[mountPoint:dataset://default/phy]]]`
	if got := fmt.Sprint(object.Object["spec"]); got != want {
		t.Errorf("spec %s, want %s", got, want)
	}
	managers := object.GetManagedFields()
	if len(managers) != 1 || managers[0].Manager != cluster.FieldManager || managers[0].Operation != "Apply" {
		t.Errorf("managers: %v", managers)
	}

	for command, suffix := range map[string]string{
		"ref create demo -n real --from default/phy":                                                " unchanged\n",
		"ref create demo -n real --from default/phy --dry-run=server --access-mode=ReadWriteMany":   " configured (server dry run)\n",
		"ref create demo -n real --from default/phy --dry-run=client --access-mode=ReadWriteMany":   " configured (dry run)\n",
		"ref create demo -n real --from default/phy --dry-run=client --access-mode=ReadOnlyMany":    " unchanged (dry run)\n",
		"ref create waits -n real --from default/later --dry-run=server --access-mode=ReadOnlyMany": " created (server dry run)\n",
	} {
		if res := r.mustNotWrite(t, command, ExitOK); !strings.HasSuffix(res.out, suffix) {
			t.Errorf("%s: %s", command, res.text())
		}
	}
	if res := r.run(t, "ref create demo -n real --from default/phy --access-mode ReadWriteMany -o json"); res.code != ExitOK || !strings.Contains(res.out, `"ReadWriteMany"`) {
		t.Error(res.text())
	}

	r.mustNotWrite(t, "ref create demo -n real --from default/nfs", ExitFindings)
	r.mustNotWrite(t, "ref create demo -n real --from default/phy/sub", ExitFindings)
	r.mustNotWrite(t, "ref create phy -n default --from real/demo", ExitFindings)
	r.mustNotWrite(t, "ref create demo2 -n real --from real/demo", ExitFindings)
	r.mustNotWrite(t, "ref create demo2 -n real --from default/..", ExitUsage)
	if res := r.mustNotWrite(t, "ref create demo -n nosuch --from default/phy", ExitFailed); !strings.Contains(res.err, "kubectl create namespace nosuch") {
		t.Error(res.text())
	}
}

// TestRealClaimTaken has somebody's claim of the reference's name, which Fluid would silently let pods use.
func TestRealClaimTaken(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "claimed", "alluxio.yaml")
	claim := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim",
		"metadata": map[string]any{"name": "demo", "namespace": "claimed"},
		"spec": map[string]any{"accessModes": []any{"ReadWriteOnce"}, "storageClassName": "none",
			"resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}}}}
	if err := r.admin.Create(t.Context(), claim, client.FieldOwner("helm")); err != nil {
		t.Fatal(err)
	}
	res := r.mustNotWrite(t, "ref create demo -n claimed --from default/phy", ExitFindings)
	if !strings.Contains(res.err, "KF3005: PersistentVolumeClaim claimed/demo: it exists already, written by helm") {
		t.Error(res.text())
	}
}

// TestRealCollision is the collision of Fluid's documentation: namespace ref has an Alluxio cluster of the same name.
func TestRealCollision(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "ref", "alluxio.yaml", "collision.yaml")
	res := r.mustNotWrite(t, "ref check --from default/phy -n ref --mirror-names=source", ExitFindings)
	for _, want := range []string{"phy-config", "TAKEN", "owned by AlluxioRuntime phy", "of the Helm release ref/phy", "KF3004", "--mirror-names=unique"} {
		if !strings.Contains(res.out, want) {
			t.Errorf("lacks %q: %s", want, res.text())
		}
	}
	res = r.mustNotWrite(t, "ref check --from default/phy -n ref --mirror-names=unique", ExitOK)
	if !strings.Contains(res.out, "KF3013   ConfigMap ref/phy-config") {
		t.Error(res.text())
	}
	r.mustNotWrite(t, "ref create refdemo -n ref --from default/phy --mirror-names=source", ExitFindings)
	if res := r.run(t, "ref create refdemo -n ref --from default/phy"); res.code != ExitOK {
		t.Error(res.text())
	}
}

func TestRealWait(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "waits", "alluxio.yaml")
	said := listenFor("Waiting: KF2011: wait")
	defer meanwhile(func() {
		key := types.NamespacedName{Namespace: "waits", Name: "demo"}
		writeStatus(t, r.admin, key, datav1alpha1.NotBoundPhase, "NotRecorded", "KF2011: wait")
		said.wait()
		writeStatus(t, r.admin, key, datav1alpha1.BoundPhase, reference.ReasonReady, "fine")
	})()
	res := r.runHeard(t, said, "ref create demo -n waits --from default/phy --wait --timeout 60s")
	if res.code != ExitOK || !strings.HasSuffix(res.out, "Dataset waits/demo is Bound\n") || !strings.Contains(res.err, "Waiting: KF2011: wait\n") {
		t.Error(res.text())
	}
	res = r.run(t, "ref create late -n waits --from default/phy --wait --timeout 200ms")
	if res.code != ExitTimeout {
		t.Error(res.text())
	}
}

// recorder notes the requests that a client makes.
type recorder struct {
	mu       sync.Mutex
	requests []string
	agents   []string
}

func (r *recorder) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests = append(r.requests, request.Method+" "+request.URL.RequestURI())
		r.agents = append(r.agents, request.UserAgent())
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// recordingKubeconfig is kubectl's flags with a recorder in the transport.
type recordingKubeconfig struct {
	Kubeconfig
	recorder *recorder
}

func (g recordingKubeconfig) RESTConfig() (*rest.Config, error) {
	config, err := g.Kubeconfig.RESTConfig()
	if err == nil {
		config.WrapTransport = transport.Wrappers(config.WrapTransport, g.recorder.wrap)
	}
	return config, err
}

// TestRealRequests counts the requests of commands: no discovery, nothing twice.
func TestRealRequests(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "counted", "alluxio.yaml", "thin.yaml")
	for command, want := range map[string][]string{
		"version": {"GET /version?timeout=32s"},
		"ref list -n counted": {
			"GET /apis/data.fluid.io/v1alpha1/namespaces/counted/datasets?limit=500"},
		"ref list -A -o json": {
			"GET /apis/data.fluid.io/v1alpha1/datasets?limit=500"},
		"ref create demo -n counted --from default/phy --dry-run=server --mirror-names=unique": {
			"GET /apis/data.fluid.io/v1alpha1/namespaces/counted/datasets/demo",
			"GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kubectl-fluid-sidecar-injector",
			"GET /apis/data.fluid.io/v1alpha1/namespaces/counted/thinruntimes/demo",
			"GET /api/v1/namespaces/counted/persistentvolumeclaims/demo",
			"GET /api/v1/persistentvolumes/counted-demo",
			"GET /apis/data.fluid.io/v1alpha1/namespaces/default/datasets/phy",
			"GET /api/v1/persistentvolumes/default-phy",
			"GET /api/v1/namespaces/default/persistentvolumeclaims/phy",
			"GET /apis/apps/v1/namespaces/default/daemonsets/phy-fuse",
			"GET /apis/data.fluid.io/v1alpha1/namespaces/default/alluxioruntimes/phy",
			"GET /api/v1/namespaces/counted",
			"GET /api/v1/namespaces/default/configmaps/phy-config",
			"GET /api/v1/namespaces/counted/configmaps/demo-phy-config-HASH",
			"PATCH /apis/data.fluid.io/v1alpha1/namespaces/counted/datasets/demo?dryRun=All&fieldManager=kubectl-fluid",
		},
	} {
		t.Run(command, func(t *testing.T) {
			rec := &recorder{}
			res := run(t.Context(), func(kubeconfig Kubeconfig) Connection {
				return cluster.NewConnection(recordingKubeconfig{kubeconfig, rec}, "v1.2.3", t.Output())
			}, command+" --kubeconfig "+r.kubeconfig)
			if res.code != ExitOK {
				t.Error(res.text())
			}
			hash := regexp.MustCompile("-[0-9a-f]{10}$")
			for i := range rec.requests {
				rec.requests[i] = hash.ReplaceAllString(rec.requests[i], "-HASH")
			}
			if !slices.Equal(rec.requests, want) {
				t.Errorf("requests:\n%s\nwant:\n%s", strings.Join(rec.requests, "\n"), strings.Join(want, "\n"))
			}
			if slices.ContainsFunc(rec.agents, func(agent string) bool { return agent != "kubectl-fluid/v1.2.3" }) {
				t.Errorf("user agents %v", rec.agents)
			}
		})
	}
}

// TestRealSeedCase is TestSeedCase on the real API server.
func TestRealSeedCase(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "ref", "alluxio.yaml", "collision.yaml")
	checkSeedCase(t, func(command string) result { return r.run(t, command) })
}
