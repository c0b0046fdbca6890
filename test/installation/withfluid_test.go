package installation

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

// TestMovingFromFluidAndBack goes through docs/with-fluid.md, on a cluster with Fluid's CRDs and a double of its
// controllers and its webhook. Pods that ask for a sidecar are created all the time, and each gets one.
func TestMovingFromFluidAndBack(t *testing.T) {
	needNode(t)
	onlyFluid(t)
	f := newFluid(t)
	f.makeReference(t)
	kubectl(t, "", "create namespace fluid-system")
	kubectl(t, fluidController, "create -f -")
	defer f.runController(t)()
	turnWebhookOff := f.injectSidecars(t)
	runPod(t, "before")
	fluidMade := identities(t)
	running := podIdentity(t, "before")
	// The copy of the configuration doesn't follow its source: it is stale from now on.
	kubectl(t, "", `patch configmap phy-fuse-conf -n moving --type=merge -p {"data":{"config.json":"stale"}}`)
	fluidMade["configmap/phy-fuse-conf"] = identities(t)["configmap/phy-fuse-conf"]

	moving := startLoad(t, "moving", "data")
	move(t, turnWebhookOff)
	t.Run("the pod that ran before runs as it did", func(t *testing.T) {
		if now := podIdentity(t, "before"); now != running {
			t.Errorf("the pod was %s, and is %s", running, now)
		}
		podReads(t, "before")
	})
	t.Run("what Fluid made stays as it was", func(t *testing.T) { stays(t, fluidMade) })
	t.Run("the copies of ConfigMaps can go", func(t *testing.T) {
		kubectl(t, "", "delete pod before -n moving --timeout=60s")
		kubectl(t, "", "delete configmap phy-fuse-conf -n moving")
		podReads(t, "after")
	})
	delete(fluidMade, "configmap/phy-fuse-conf")
	t.Run("everything of Fluid's and the running pod survive moving back", func(t *testing.T) {
		moveBack(t, f, fluidMade)
		moving.stop(t) // while the double's webhook is still there
	})
}

// onlyFluid leaves a cluster with Fluid's CRDs and a physical Dataset that is Bound and has its template, as Fluid makes it.
func onlyFluid(t *testing.T) {
	t.Helper()
	documented(t, walkthrough.Install()...)
	kubectl(t, "", "delete pods --all -n default --timeout=60s")
	kubectl(t, "", "delete datasets --all -A --timeout=60s")
	documented(t, walkthrough.Remove()...)
	kubectl(t, "", "delete crd --all --timeout=60s")
	installFluidCRDs(t)
	definitions := kubectl(t, "", "get crd -o jsonpath={.items[*].spec}")

	// By mistake, our CRDs too; and then the rest, to serve the physical Dataset.
	crds, err := live.CRDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := live.Output(t.Context(), crds, "kubectl", strings.Fields(applyCRDs)...); err == nil || !strings.Contains(err.Error(), "conflict") {
		t.Errorf("our CRDs were applied over Fluid's: %v", err)
	}
	if now := kubectl(t, "", "get crd -o jsonpath={.items[*].spec}"); now != definitions {
		t.Error("Fluid's CRDs were changed")
	}
	documented(t, walkthrough.Install()[1:]...)
	for _, line := range []string{
		"apply -f examples/walkthrough/origin.yaml -f examples/walkthrough/profile.yaml -f examples/walkthrough/phy.yaml",
		"wait pod/origin --for=condition=Ready --timeout=60s",
		"wait dataset/phy --for=jsonpath={.status.phase}=Bound --timeout=60s",
	} {
		kubectl(t, "", line)
	}
	documented(t, walkthrough.Remove()...)
}

// move moves the reference moving/data over to this controller.
func move(t *testing.T, turnWebhookOff func()) {
	before, after, last := walkthrough.MoveFromFluid()
	t.Run("ref check knows the reference, and Fluid's copy", func(t *testing.T) { namesCopy(t, before) })
	documented(t, walkthrough.BesideFluid()...)
	t.Run("beside Fluid, its webhook injects our mirror", func(t *testing.T) {
		harness.Eventually(t, time.Minute, func() error {
			return dryRunUses(t, "beside", "data-phy-fuse-conf-", "{.spec.containers[*].name}", "fluid-fuse-0 nginx")
		})
	})
	turnWebhookOff()
	documented(t, after)
	t.Run("a new pod gets our sidecar, with a mirror instead of Fluid's stale copy", func(t *testing.T) {
		harness.Eventually(t, time.Minute, func() error {
			return dryRunUses(t, "ours", "data-phy-fuse-conf-", "{.spec.initContainers[*].name}", "fluid-fuse-0")
		})
		runPod(t, "after")
	})
	t.Run("ref check still knows Fluid's copy", func(t *testing.T) { namesCopy(t, last) })
}

// namesCopy runs a command that lists the ConfigMap which Fluid has copied as the reference's own.
func namesCopy(t *testing.T, command string) {
	t.Helper()
	output, _ := live.Show(t.Context(), strings.Fields(command)...) // findings make it end with 3
	if !regexp.MustCompile(`Reference moving/data to default/phy [^\n]*\n\n[^\n]*\nConfigMap +phy-fuse-conf +default/phy-fuse-conf +its own `).MatchString(output) {
		t.Error("it doesn't")
	}
}

// moveBack turns Fluid on again, removes this controller, and lets a pod get Fluid's sidecar.
func moveBack(t *testing.T, f *fluid, fluidMade map[string]string) {
	running := podIdentity(t, "after")
	kubectl(t, fluidController, "create -f -")
	f.injectSidecars(t)
	uid := types.UID(kubectl(t, "", "get dataset data -n moving -o jsonpath={.metadata.uid}"))
	f.copyConfigMap(t, uid)
	documented(t, walkthrough.Remove()...)
	nothingOfOurs(t)
	stays(t, fluidMade)
	if now := podIdentity(t, "after"); now != running {
		t.Errorf("the pod was %s, and is %s", running, now)
	}
	podReads(t, "after")
	runPod(t, "back")
	if containers := kubectl(t, "", "get pod back -n moving -o jsonpath={.spec.containers[*].name}"); containers != "fluid-fuse-0 nginx" {
		t.Errorf("the pod that came after has the containers %s", containers)
	}
}

// runPod creates a pod that reads the reference, and waits until it does.
func runPod(t *testing.T, name string) {
	t.Helper()
	kubectl(t, podOf("moving", "data", name), "create -f -")
	kubectl(t, "", "wait pod/"+name+" -n moving --for=condition=Ready --timeout=90s")
	podReads(t, name)
}

func podReads(t *testing.T, name string) {
	t.Helper()
	// Nothing makes an app wait for Fluid's own sidecar.
	harness.Eventually(t, time.Minute, func() error {
		output, err := live.Output(t.Context(), "", "kubectl", "exec", name, "-n", "moving", "-c", "nginx", "--", "ls", "/data_spark")
		if err == nil && output != "spark\n" {
			err = unexpected(output)
		}
		return err
	})
}

// unexpected is what something is that should be something else.
type unexpected string

func (e unexpected) Error() string { return "it is " + string(e) }

func podIdentity(t *testing.T, name string) string {
	t.Helper()
	return kubectl(t, "", "get pod "+name+" -n moving -o jsonpath={.metadata.uid}:{.status.containerStatuses[*].restartCount}:{.status.initContainerStatuses[*].restartCount}")
}

// dryRunUses says whether a pod that isn't stored would name something in its volumes, and what else it would have.
func dryRunUses(t *testing.T, name, volume, path, want string) error {
	output, err := live.Output(t.Context(), podOf("moving", "data", name), "kubectl", "create", "-f", "-", "--dry-run=server", "-o", "jsonpath="+path+"{.spec.volumes}")
	if err == nil && (!strings.HasPrefix(output, want+"[") || !strings.Contains(output, `"name":"`+volume)) {
		err = unexpected(output)
	}
	return err
}

// identities returns the UIDs and contents of what Fluid made for the reference.
func identities(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range []string{"dataset/data", "thinruntime/data", "persistentvolumeclaim/data", "persistentvolume/moving-data", "configmap/phy-fuse-conf"} {
		found[object] = kubectl(t, "", "get "+object+" -n moving -o jsonpath={.metadata.uid}{.metadata.annotations.CreatedBy}{.spec.volumeName}{.spec.csi.volumeAttributes}{.data} --ignore-not-found")
	}
	return found
}

// stays compares what Fluid made with what is there.
func stays(t *testing.T, before map[string]string) {
	t.Helper()
	now := identities(t)
	for object, was := range before {
		if now[object] != was {
			t.Errorf("%s was %s, and is %s", object, was, now[object])
		}
	}
}
