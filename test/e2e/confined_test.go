package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// The tests here do what made somebody root on the node where sidecars are privileged. They do it in a namespace that
// enforces the level restricted, with a neighbour whose data they must not reach.

// attack is a namespace with a pod to be taken over, and a secret file of the node.
type attack struct {
	*consumer
	marker string
}

const markerText = "the node's own\n"

func newAttack(t *testing.T, prefix string) *attack {
	t.Helper()
	a := &attack{newServedConsumer(t, prefix, "default/phy"), filepath.Join(t.TempDir(), "marker")}
	if err := os.WriteFile(a.marker, []byte(markerText), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// confined makes sure that a container's processes have no right that they could use on the node, and nothing of the node or
// of other pods.
func (a *attack) confined(t *testing.T, pod, container string) {
	t.Helper()
	run := func(script string) string {
		t.Helper()
		output, err := a.exec(t, pod, container, script)
		if err != nil {
			t.Fatal(err)
		}
		return output
	}
	powerless(t, run("cat /proc/self/status"))
	powerless(t, run("cat /proc/1/status"))
	uid := string(get(t, a.namespace, pod, &corev1.Pod{}).UID)
	onlyOwn(t, run("cat /proc/self/mountinfo"), uid)
	if devices := run("find /dev -type b"); devices != "" {
		t.Errorf("the container %s has the devices %s", container, devices)
	}
	for _, attempt := range []string{
		"cat " + a.marker,
		"cat /proc/1/root" + a.marker,
		"mkdir -p /tmp/m && mount -t tmpfs none /tmp/m",
		"mknod /tmp/fuse c 10 229",
		"chroot / true",
		"ls /run/kubectl-fluid/pods",
		"cat /var/run/secrets/kubernetes.io/serviceaccount/token",
	} {
		if output, err := a.exec(t, pod, container, attempt); err == nil {
			t.Errorf("in the container %s this works: %s\n%s", container, attempt, output)
		}
	}
}

// onlyOwn makes sure that of the node's directories a mount table has only those of a pod's own volumes.
func onlyOwn(t *testing.T, table, uid string) {
	t.Helper()
	own := 0
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || !strings.HasPrefix(fields[4], "/") {
			continue
		}
		root, _, _ := strings.Cut(fields[3], "//deleted")
		switch {
		case strings.Contains(root, "/pods/"+uid+"/"):
			own++
		case strings.Contains(root, "/pods/"), strings.HasPrefix(root, shared.Cluster.MountRoot()):
			t.Errorf("a container has the mount %s", line)
		}
	}
	if own == 0 {
		t.Errorf("a container has no volume of its own pod:\n%s", table)
	}
}

// powerless makes sure that a process has no capability and can get none.
func powerless(t *testing.T, status string) {
	t.Helper()
	const none = ":\t0000000000000000\n"
	for _, want := range []string{"CapInh" + none, "CapPrm" + none, "CapEff" + none, "CapBnd" + none, "CapAmb" + none, "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("a process lacks %q:\n%s", want, status)
		}
	}
}

// TestExecIntoASidecarReachesNothing of the node or of its neighbours.
func TestExecIntoASidecarReachesNothing(t *testing.T) {
	t.Parallel()
	neighbour := newServedConsumer(t, "neighbour", "default/phy")
	defer neighbour.leavesNoVolume(t, 15*time.Second)
	neighbour.run(t, "neighbour", restrictedSpec("refdemo"))
	a := newAttack(t, "exec")
	defer a.leavesNoVolume(t, 15*time.Second)
	a.run(t, "taken", restrictedSpec("refdemo"))
	a.confined(t, "taken", "fluid-fuse-0")
	if read, err := a.exec(t, "taken", "fluid-fuse-0", "echo >/run/kubectl-fluid/broker/fluid-fuse"); err == nil {
		t.Errorf("the program that all pods of the node have can be overwritten: %s", read)
	}
}

// TestAnotherImageInASidecarReachesNothing: who may patch pods may have a sidecar run another image.
func TestAnotherImageInASidecarReachesNothing(t *testing.T) {
	t.Parallel()
	a := newAttack(t, "image")
	defer a.leavesNoVolume(t, hookTime+15*time.Second)
	a.makeOwn(t, "kubectl-fluid/rclone-fuse", "exec /usr/local/bin/entrypoint.sh")
	uid := string(a.run(t, "taken", restrictedSpec("own")).UID)
	// Its entry point is what the sidecar's command is.
	kubectl(t, `patch pod taken --type=json -p [{"op":"replace","path":"/spec/initContainers/0/image","value":"kubectl-fluid/tenant:latest"}] -n `+a.namespace)
	var log string
	// Kubelet shows it once the hook, which waits for a mount, has ended.
	harness.Eventually(t, time.Minute, func() (err error) {
		log, err = shared.Output(t.Context(), "", "kubectl", "logs", "taken", "-c", "fluid-fuse-0", "-n", a.namespace)
		if err == nil && !strings.Contains(log, "the tenant's image runs") {
			err = errors.New(log)
		}
		return err
	})
	powerless(t, log)
	onlyOwn(t, log, uid)
}

// hostileMounts are those of a Dataset by which rclone runs a command of the Dataset's owner, and shows all that it sees.
func hostileMounts() string {
	return `[{"mountPoint": "local:///", "name": "root", "options": {"type": "local"}},
		{"mountPoint": "webdav://", "name": "web", "options": {"type": "webdav", "url": "http://127.0.0.1:1/", "bearer_token_command": "cp /proc/self/status /tmp/taken"}}]`
}

// TestHostileOptionsOfADatasetReachNothing: who owns a Dataset may have its FUSE client run commands, in all pods with a
// reference to it.
func TestHostileOptionsOfADatasetReachNothing(t *testing.T) {
	t.Parallel()
	a := newAttack(t, "options")
	defer a.leavesNoVolume(t, 15*time.Second)
	a.apply(t, fmt.Sprintf(`{"apiVersion": "data.fluid.io/v1alpha1", "kind": "Dataset", "metadata": {"name": "hostile"}, "spec": {"mounts": %s}}`, hostileMounts()))
	a.apply(t, `{"apiVersion": "data.fluid.io/v1alpha1", "kind": "ThinRuntime", "metadata": {"name": "hostile"}, "spec": {"profileName": "rclone"}}`)
	kubectl(t, "wait dataset/hostile --for=jsonpath={.status.phase}=Bound --timeout=60s -n "+a.namespace)
	a.run(t, "taken", restrictedSpec("hostile"))
	a.commandRan(t)
}

// commandRan makes sure that a command of somebody else has run in the pod's sidecar, and had no power.
func (a *attack) commandRan(t *testing.T) {
	t.Helper()
	status, err := a.exec(t, "taken", "fluid-fuse-0", "cat /tmp/taken")
	if err != nil {
		t.Fatalf("the command hasn't run: %v", err)
	}
	powerless(t, status)
	a.confined(t, "taken", "fluid-fuse-0")
	if text, err := a.exec(t, "taken", "app", "cat /data/root"+a.marker); err == nil {
		t.Errorf("the app reads %q", text)
	}
}

// TestChangedMirrorReachesNothing: who may change ConfigMaps in the reference's namespace may change its mirrors.
func TestChangedMirrorReachesNothing(t *testing.T) {
	t.Parallel()
	a := newAttack(t, "mirror")
	defer a.leavesNoVolume(t, 15*time.Second)
	mirrors := strings.Fields(kubectl(t, "get configmaps -o name -l "+reference.LabelReferenceUID+" -n "+a.namespace))
	if len(mirrors) != 1 {
		t.Fatalf("the mirrors are %q", mirrors)
	}
	config := map[string]any{}
	mirrored := kubectl(t, `get -o jsonpath={.data.config\.json} `+mirrors[0]+" -n "+a.namespace)
	if err := json.Unmarshal([]byte(mirrored), &config); err != nil {
		t.Fatalf("the configuration is %q: %v", mirrored, err)
	}
	config["mounts"] = json.RawMessage(hostileMounts())
	changed, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	patch := fmt.Sprintf(`{"metadata": {"labels": {%q: null}, "ownerReferences": null}, "data": {"config.json": %s}}`, reference.LabelReferenceUID, strconv.Quote(string(changed)))
	if _, err = shared.Output(t.Context(), "", "kubectl", "patch", mirrors[0], "--type=merge", "-p", patch, "-n", a.namespace); err != nil {
		t.Fatal(err)
	}
	a.run(t, "taken", restrictedSpec("refdemo"))
	a.commandRan(t)
}

// TestVolumesOfASidecarCannotBeNamedBefore: a container of the app's that mounts the volumes which injection adds, by the
// names that another pod's have. Injection takes other names then, so that these aren't there.
func TestVolumesOfASidecarCannotBeNamedBefore(t *testing.T) {
	t.Parallel()
	a := newAttack(t, "volumes")
	defer a.leavesNoVolume(t, 15*time.Second)
	a.run(t, "before", restrictedSpec("refdemo"))
	pod := get(t, a.namespace, "before", &corev1.Pod{})
	spec := restrictedSpec("refdemo")
	helper := *spec.Containers[0].DeepCopy()
	helper.Name, helper.VolumeMounts = "helper", nil
	added := 0
	for _, volume := range pod.Spec.Volumes {
		if volume.Name == "data" || volume.Projected != nil {
			continue
		}
		added++
		spec.Containers = append(spec.Containers[:1:1], *helper.DeepCopy())
		spec.Containers[1].VolumeMounts = []corev1.VolumeMount{{Name: volume.Name, MountPath: "/taken"}}
		taken := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: a.namespace, Name: "taken", Labels: injected()}, Spec: spec}
		if err := shared.dryRun.Create(t.Context(), taken); err == nil || !strings.Contains(err.Error(), `Not found: "`+volume.Name+`"`) {
			t.Errorf("a container that mounts %s: %v", volume.Name, err)
		}
	}
	if added < 3 {
		t.Errorf("injection has added %d volumes", added)
	}
}
