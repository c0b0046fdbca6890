package installation

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

const rollout = "rollout status deployment/kubectl-fluid-controller -n kubectl-fluid-system --timeout=120s"

// documented runs commands of docs/installation.md in a directory with the files of a release.
func documented(t *testing.T, commands ...string) {
	t.Helper()
	directory := t.TempDir()
	install, err := live.Manifests(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	crds, err := live.CRDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	beside, err := live.Manifests(t.Context(), "with-fluid")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"install.yaml": install, "with-fluid.yaml": beside, "crds.yaml": crds} {
		if err := os.WriteFile(filepath.Join(directory, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, command := range commands {
		if _, err := live.In(directory).Show(t.Context(), strings.Fields(command)...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInstallation goes through the life of an installation: a restart under load, its removal under running pods, an
// upgrade from an earlier one, and its end.
func TestInstallation(t *testing.T) {
	needNode(t)
	for _, step := range live.Prepare() {
		if _, err := live.Run(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
	readsData(t)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"both replicas answer the webhooks, and one runs the controllers", replicasShareTheWork},
		{"a rolling restart under load fails no pod creation", restartUnderLoad},
		{"sidecars have no privileges", withoutPrivileges},
		{"a release's manifests can be applied over config/default", func(t *testing.T) { documented(t, walkthrough.Install()...) }},
		{"removing it leaves users' data and pods alone, and nothing behind", removeUnderPods},
		{"the controller before it can be upgraded under a running pod", upgrade},
		{"with the references gone, removing it leaves nothing", removeAll},
		{"Helm installs, upgrades and removes it", installByHelm},
		{"it can be installed as it is documented, and serves references then", installAgain},
	} {
		if !t.Run(step.name, step.run) {
			t.FailNow()
		}
	}
}

// readsData reads the Dataset's data in the pod of the walk-through.
func readsData(t *testing.T) {
	t.Helper()
	if output, err := live.Run(t.Context(), walkthrough.Data()); err != nil || output != "spark\n" {
		t.Fatalf("the pod reads %q, %v", output, err)
	}
}

// identity is what changes when the walk-through's pod is replaced or one of its containers restarts.
func identity(t *testing.T) string {
	t.Helper()
	return kubectl(t, "", "get pod nginx -n ref -o jsonpath={.metadata.uid}:{.status.containerStatuses[*].restartCount}:{.status.initContainerStatuses[*].restartCount}")
}

// data lists what users have in the API server, with what the controller made for their references.
func data(t *testing.T) string {
	t.Helper()
	return kubectl(t, "", "get datasets,thinruntimes,thinruntimeprofiles,persistentvolumeclaims,configmaps -A -o name") +
		kubectl(t, "", "get persistentvolumes -o name")
}

// replicasShareTheWork: each seat of the webhooks has a ready replica, and only the holder of the Lease has started the
// controllers of references.
func replicasShareTheWork(t *testing.T) {
	seats := map[string]bool{}
	for _, seat := range []string{"0", "1"} {
		seats[kubectl(t, "", "get endpointslices -n kubectl-fluid-system -l kubernetes.io/service-name=kubectl-fluid-webhook-"+seat+" -o jsonpath={.items[*].endpoints[?(@.conditions.ready)].targetRef.name}")] = true
	}
	if now := replicas(t); len(now) != 2 || !maps.Equal(seats, now) {
		t.Errorf("the replicas are %v, and those with seats %v", now, seats)
	}
	holder := kubectl(t, "", "get lease kubectl-fluid-controller -n kubectl-fluid-system -o jsonpath={.spec.holderIdentity}")
	for name := range seats {
		started := strings.Contains(kubectl(t, "", "logs "+name+" -n kubectl-fluid-system"), `"msg":"Starting Controller","controller":"reference"`)
		if leads := strings.HasPrefix(holder, name+"_"); started != leads {
			t.Errorf("%s is the leader: %t (%s), and has started the controllers: %t", name, leads, holder, started)
		}
	}
}

// removeUnderPods removes the controller as docs/installation.md says, while a pod uses a reference.
func removeUnderPods(t *testing.T) {
	running, before := identity(t), data(t)
	documented(t, walkthrough.Remove()...)
	nothingOfOurs(t)
	if after := identity(t); after != running {
		t.Errorf("the pod was %s, and is %s", running, after)
	}
	readsData(t)
	after := data(t)
	for line := range strings.Lines(before) {
		// The namespace of the controller went with its own.
		if !strings.Contains(after, line) && !strings.Contains(line, "kube-root-ca.crt") {
			t.Errorf("%s is gone", strings.TrimSpace(line))
		}
	}
	// Nobody asks for sidecars any more, and nobody stands in the way of pods that ask for one.
	kubectl(t, pod("unheard"), "create -f - --dry-run=server -o name")
}

// nothingOfOurs looks for anything with the label of an installation, or with its name.
func nothingOfOurs(t *testing.T) {
	t.Helper()
	var kinds []string
	for kind := range strings.Lines(kubectl(t, "", "api-resources --verbs=list -o name")) {
		if kind = strings.TrimSpace(kind); !strings.HasPrefix(kind, "events") && !strings.HasPrefix(kind, "componentstatuses") {
			kinds = append(kinds, kind)
		}
	}
	found := kubectl(t, "", "get "+strings.Join(kinds, ",")+" -A --ignore-not-found --no-headers -o custom-columns="+
		"KIND:.kind,NAMESPACE:.metadata.namespace,NAME:.metadata.name,PART:.metadata.labels.app\\.kubernetes\\.io/part-of")
	for line := range strings.Lines(found) {
		fields := strings.Fields(line)
		if fields[3] == "kubectl-fluid" || strings.HasPrefix(fields[2], "kubectl-fluid") || fields[2] == "fluid-dataset-user" || fields[1] == "kubectl-fluid-system" {
			t.Errorf("left behind: %s", strings.TrimSpace(line))
		}
	}
}

// upgrade installs an earlier version from its manifests, lets it take over the reference that is there, and applies
// the manifests of now over it: first with privileged sidecars in the namespace, as the earlier version has them, then with
// none.
func upgrade(t *testing.T) {
	if live.noPrevious != nil {
		t.Skip(live.noPrevious)
	}
	previous, err := os.ReadFile("testdata/previous.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const image, argument = "image: kubectl-fluid/controller:latest\n", "        - --leader-elect\n"
	kubectl(t, "", "label namespace ref pod-security.kubernetes.io/enforce=privileged --overwrite")
	text := string(previous)
	if strings.Count(text, image) != 1 || strings.Count(text, argument) != 1 {
		t.Fatal("the manifests before aren't as this test knows them")
	}
	text = strings.Replace(text, image, "image: "+previousImage+"\n", 1)
	text = strings.Replace(text, argument, argument+"        - --mount-root="+live.Cluster.MountRoot()+"\n", 1)
	definitions, others := split(text)
	kubectl(t, definitions, applyCRDs)
	kubectl(t, others, "apply --server-side -f -")
	kubectl(t, "", rollout)
	ready(t)
	running := identity(t)

	give, take := walkthrough.AllowPrivileges()
	documented(t, give)
	live.Privileges = inject.PrivilegesAllowed
	documented(t, walkthrough.Install()...)
	if images := kubectl(t, "", "get pods -n kubectl-fluid-system -l app.kubernetes.io/name=kubectl-fluid-controller --field-selector=status.phase=Running -o jsonpath={.items[*].spec.containers[*].image}"); !strings.Contains(images, "kubectl-fluid/controller:latest") {
		t.Errorf("the images that run are %s", images)
	}
	ready(t)
	if after := identity(t); after != running {
		t.Errorf("the pod was %s, and is %s", running, after)
	}
	readsData(t)
	privileged(t, true)
	documented(t, take)
	privileged(t, false)
	live.Privileges = ""
	documented(t, walkthrough.Install()...)
	privileged(t, false)
	kubectl(t, "", "create namespace upgraded")
	if _, err := live.Output(t.Context(), "", "kubectl", "fluid", "ref", "create", "later", "--from", "default/phy", "-n", "upgraded", "--wait"); err != nil {
		t.Error(err)
	}
}

// split returns the CRDs among manifests, and the others.
func split(manifests string) (definitions, others string) {
	for _, document := range strings.Split(manifests, "---\n") {
		if strings.Contains(document, "\nkind: CustomResourceDefinition\n") {
			definitions += "---\n" + document
		} else {
			others += "---\n" + document
		}
	}
	return definitions, others
}

// ready waits until a pod with the walk-through's reference gets its sidecar.
func ready(t *testing.T) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error {
		output, err := live.Output(t.Context(), pod("another"), "kubectl", strings.Fields("create -f - --dry-run=server -o jsonpath={.spec.initContainers[*].name}")...)
		if err == nil && output != "fluid-fuse-0" {
			err = fmt.Errorf("the pod has the init containers %q", output)
		}
		return err
	})
}

// privileged waits until a pod's sidecar would be privileged, or would have the node plugin mount.
func privileged(t *testing.T, want bool) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error {
		output, err := live.Output(t.Context(), pod("another"), "kubectl", strings.Fields("create -f - --dry-run=server -o jsonpath={.spec.initContainers[*].securityContext.privileged}{.spec.volumes[*].csi.driver}")...)
		if err == nil && (output == "true") != want {
			err = fmt.Errorf("the pod has %q", output)
		}
		return err
	})
}

// removeAll deletes pods and references first: the controller then takes away what it made for them.
func removeAll(t *testing.T) {
	before, after := walkthrough.RemoveData()
	kubectl(t, "", "delete pod nginx -n ref --timeout=60s")
	kubectl(t, "", "delete datasets --all -n upgraded --ignore-not-found --timeout=60s")
	documented(t, before...)
	kubectl(t, "", "delete dataset phy -n default --timeout=60s")
	documented(t, append(walkthrough.Remove(), after...)...)
	nothingOfOurs(t)
	harness.Eventually(t, 30*time.Second, func() error {
		for _, kinds := range []string{"persistentvolumes", "persistentvolumeclaims -A", "daemonsets -A"} {
			if left := kubectl(t, "", "get "+kinds+" -o name"); left != "" {
				return fmt.Errorf("there is still %s", left)
			}
		}
		if left := kubectl(t, "", "get configmaps -n ref -o name"); left != "configmap/kube-root-ca.crt\n" {
			return fmt.Errorf("there are the ConfigMaps %s", left)
		}
		return nil
	})
}

// installAgain installs on the empty cluster with the commands that are documented.
func installAgain(t *testing.T) {
	documented(t, walkthrough.Install()...)
	kubectl(t, "", "apply -f examples/walkthrough/profile.yaml -f examples/walkthrough/phy.yaml")
	kubectl(t, "", "wait dataset/phy --for=jsonpath={.status.phase}=Bound --timeout=60s")
	if _, err := live.Output(t.Context(), "", "kubectl", strings.Fields("fluid ref create refdemo --from default/phy -n ref --wait")...); err != nil {
		t.Fatal(err)
	}
	ready(t)
	kubectl(t, "", "create -f examples/walkthrough/nginx.yaml -n ref")
	kubectl(t, "", "wait pod/nginx -n ref --for=condition=Ready --timeout=120s")
	documented(t, walkthrough.Look()...)
	kubectl(t, "", "delete pod nginx -n ref --timeout=60s")
	documented(t, walkthrough.Consent()...)
	// Beside Fluid, the references are served the same.
	documented(t, walkthrough.BesideFluid()...)
	ready(t)
}
