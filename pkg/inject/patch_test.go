package inject

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject/injecttest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// dataset says of what a claim's Dataset is made.
type dataset struct {
	runtime    string
	mountPoint string
	change     func(*corev1.PodSpec)
}

// sidecar returns the sidecar of a reference ref/<claim> to the physical Dataset default/phy, or of that itself if it
// has no mount point.
func (d dataset) sidecar(t testing.TB, claim string) *reference.Sidecar {
	t.Helper()
	world := referencetest.World(t, d.runtime, d.mountPoint)
	if d.change != nil {
		d.change(&world.Fuse.Spec.Template.Spec)
	}
	if d.mountPoint == "" {
		world.Dataset = world.Physical
		plan := reference.NewPlan(world)
		if len(plan.Findings) > 0 || len(plan.Mirrors) > 0 {
			t.Fatalf("the physical Dataset needs %v and has %v", plan.Mirrors, plan.Findings)
		}
		return plan.Sidecar
	}
	world.Dataset.Name = claim
	plan := reference.NewPlan(world)
	if plan.Sidecar == nil {
		t.Fatalf("reference %s has no sidecar: %v", claim, plan.Findings)
	}
	return plan.Sidecar
}

const physical = "dataset://default/phy"

func pullSecret(spec *corev1.PodSpec) {
	spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "registry"}}
}

// longVolumes gives the FUSE container two volumes whose names differ in their last character only, which is cut off.
func longVolumes(spec *corev1.PodSpec) {
	for _, last := range []string{"a", "b"} {
		name := strings.Repeat("v", 62) + last
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
		spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + last})
	}
}

// mountOnVolume lets the FUSE client mount right on its volume and not in a directory below.
func mountOnVolume(spec *corev1.PodSpec) {
	spec.Volumes[0].HostPath.Path += "/thin-fuse"
	spec.Containers[0].VolumeMounts[0].MountPath += "/thin-fuse"
}

func noCommand(spec *corev1.PodSpec) { spec.Containers[0].Command = nil }

// probesAndHooks gives the FUSE container everything that a sidecar has no use for.
func probesAndHooks(spec *corev1.PodSpec) {
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"true"}}}}
	container := &spec.Containers[0]
	container.LivenessProbe, container.ReadinessProbe, container.StartupProbe = probe, probe, probe
	container.Lifecycle.PostStart = &corev1.LifecycleHandler{Exec: probe.Exec}
	container.Ports = []corev1.ContainerPort{
		{Name: "metrics", ContainerPort: 1}, {Name: "fuse-metrics", ContainerPort: 2}, {Name: "rpc", ContainerPort: 3, HostPort: 3},
	}
}

// variables brings everything that kubelet reads as a variable into the command.
func variables(spec *corev1.PodSpec) {
	spec.Containers[0].Command = []string{"run", "$(FLUID_RUNTIME_NAME)", "$$(kept)"}
	spec.Volumes[0].HostPath.Path = "/runtime-mnt/thin/default"
	spec.Containers[0].VolumeMounts[0].MountPath = "/mnt/$$-$(HOME)-$x"
}

// goldenCase is a pod, the Datasets of its claims, and the options of a patch.
type goldenCase struct {
	name     string
	pod      string
	datasets map[string]dataset
	variant  Variant
	options  Options
	// unknown says that the pod has fields that corev1.Pod doesn't.
	unknown bool
}

func goldenCases() []goldenCase {
	one := func(runtime string, change func(*corev1.PodSpec)) map[string]dataset {
		return map[string]dataset{"refdemo": {runtime, physical, change}}
	}
	alluxio := one("alluxio", nil)
	healing, pod := Variant{SelfHealing: true}, Options{HostDirectory: "ref-3f0c"}
	return []goldenCase{
		{"alluxio", "nginx", alluxio, healing, pod, false},
		{"jindo", "nginx", one("jindo", nil), healing, pod, false},
		{"juicefs", "nginx", one("juicefs", nil), healing, pod, false},
		{"thin", "nginx", one("thin", nil), healing, pod, false},
		{"sub-path", "nginx", map[string]dataset{"refdemo": {"alluxio", physical + "/spark/日志", nil}}, healing, pod, false},
		{"own-namespace", "own-namespace", map[string]dataset{"phy": {"juicefs", "", pullSecret}}, healing, pod, false},
		{"two-datasets", "two-claims", map[string]dataset{"zebra": {"alluxio", physical, nil}, "ant": {"alluxio", physical + "/ants", nil}}, healing, pod, false},
		{"two-runtimes", "two-claims", map[string]dataset{"zebra": {"juicefs", physical, pullSecret}, "ant": {"thin", physical, pullSecret}}, healing, pod, false},
		{"one-dataset-of-two-claims", "two-claims", map[string]dataset{"zebra": {"thin", physical, nil}}, healing, pod, false},
		{"claim-in-several-volumes", "several-volumes", alluxio, healing, pod, false},
		{"init-containers", "init-containers", alluxio, healing, pod, false},
		{"init-container-reads", "init-reads", alluxio, healing, pod, false},
		{"read-only-claim", "read-only", alluxio, healing, pod, false},
		{"mount-propagation", "propagation", alluxio, healing, pod, false},
		{"recursive-read-only-if-possible", "recursive-read-only-if-possible", alluxio, healing, pod, false},
		{"mounted-nowhere", "unmounted", alluxio, healing, pod, false},
		{"volume-names-taken", "volume-names", alluxio, healing, pod, false},
		{"long-volume-names", "long-volume-names", one("thin", longVolumes), healing, pod, false},
		{"container-names-taken", "container-names", alluxio, healing, pod, false},
		{"annotations-and-labels", "annotations", alluxio, healing, pod, false},
		{"pull-secrets", "nginx", one("thin", pullSecret), healing, pod, false},
		{"pull-secrets-of-the-pod", "pull-secrets", one("thin", pullSecret), healing, pod, false},
		{"generate-name", "generate-name", alluxio, healing, pod, false},
		{"no-self-healing", "nginx", alluxio, Variant{}, pod, false},
		{"no-command", "nginx", one("thin", noCommand), healing, pod, false},
		{"mount-on-volume", "nginx", one("thin", mountOnVolume), healing, pod, false},
		{"probes-and-hooks", "nginx", one("thin", probesAndHooks), healing, pod, false},
		{"variables", "nginx", one("thin", variables), healing, pod, false},
		{"nulls", "nulls", alluxio, healing, pod, false},
		{"empty-lists", "empty-lists", one("thin", pullSecret), healing, pod, false},
		{"unknown-fields", "unknown-fields", one("thin", pullSecret), healing, pod, true},
	}
}

// readPod returns an input pod as JSON.
func readPod(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "pods", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := yaml.YAMLToJSON(content)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// compiled returns the sidecar ready for patches.
func (d dataset) compiled(t testing.TB, claim string) *Sidecar {
	t.Helper()
	return Compile(d.sidecar(t, claim), Variant{SelfHealing: true})
}

// sidecars returns the sidecars of a case by claim.
func (c *goldenCase) sidecars(t testing.TB) map[string]*Sidecar {
	t.Helper()
	sidecars := map[string]*Sidecar{}
	for claim, d := range c.datasets {
		sidecars[claim] = Compile(d.sidecar(t, claim), c.variant)
	}
	return sidecars
}

// patched returns the pod of a case after its patch.
func (c *goldenCase) patched(t testing.TB) []byte {
	t.Helper()
	raw := readPod(t, c.pod)
	patch, findings := Patch(mustRead(t, raw), c.sidecars(t), c.options)
	if findings.Blocked() {
		t.Fatalf("%s: %v", c.name, findings)
	}
	return apply(t, raw, patch)
}

func mustRead(t testing.TB, raw []byte) *Pod {
	t.Helper()
	pod, err := ReadPod(raw)
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

// apply patches as the API server does, with its library.
func apply(t testing.TB, raw, patch []byte) []byte {
	t.Helper()
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatalf("the patch can't be read: %v", err)
	}
	patched, err := decoded.Apply(raw)
	if err != nil {
		t.Fatalf("the patch doesn't apply: %v\npod: %s\npatch: %s", err, raw, patch)
	}
	return patched
}

// compare compares a text with a file below testdata, in which the scripts aren't.
func compare(t *testing.T, file string, got []byte) {
	t.Helper()
	golden.Compare(t, filepath.Join("testdata", file), []byte(injecttest.ReadScripts(t, "scripts").Hide(string(got))))
}

func TestPatchIsTheGoldenOne(t *testing.T) {
	for _, c := range goldenCases() {
		t.Run(c.name, func(t *testing.T) {
			raw := readPod(t, c.pod)
			patch, findings := Patch(mustRead(t, raw), c.sidecars(t), c.options)
			if findings.Blocked() {
				t.Fatalf("findings: %v", findings)
			}
			text, err := yaml.JSONToYAML(patch)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, "patches/"+c.name+".yaml", text)
			patched := apply(t, raw, patch)
			checkPod(t, patched, !c.unknown)
			checkUntouched(t, raw, patched, patch)
			if more, _ := Patch(mustRead(t, patched), c.sidecars(t), c.options); more != nil {
				t.Errorf("the patched pod is patched again: %s", more)
			}
		})
	}
}

// checkPod makes sure that a pod is one by the rules of the API server that a patch could break.
func checkPod(t testing.TB, raw []byte, strict bool) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if strict {
		decoder.DisallowUnknownFields()
	}
	var pod corev1.Pod
	if err := decoder.Decode(&pod); err != nil {
		t.Fatalf("it isn't a pod: %v\n%s", err, raw)
	}
	volumes, containers := sets.New[string](), sets.New[string]()
	for _, volume := range pod.Spec.Volumes {
		if volumes.Has(volume.Name) || len(volume.Name) > 63 {
			t.Errorf("there are two volumes %q, or the name is too long", volume.Name)
		}
		volumes.Insert(volume.Name)
	}
	for _, container := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		if containers.Has(container.Name) {
			t.Errorf("there are two containers %q", container.Name)
		}
		containers.Insert(container.Name)
		paths := sets.New[string]()
		for _, mount := range container.VolumeMounts {
			if !volumes.Has(mount.Name) {
				t.Errorf("container %s mounts %q, and there is no such volume", container.Name, mount.Name)
			}
			if paths.Has(mount.MountPath) {
				t.Errorf("container %s mounts two volumes at %s", container.Name, mount.MountPath)
			}
			paths.Insert(mount.MountPath)
		}
	}
	secrets := sets.New[string]()
	for _, secret := range pod.Spec.ImagePullSecrets {
		if secrets.Has(secret.Name) {
			t.Errorf("there are two pull secrets %q", secret.Name)
		}
		secrets.Insert(secret.Name)
	}
}

func TestPodsThatUseNoDatasetAreLeftAlone(t *testing.T) {
	sidecars := map[string]*Sidecar{"refdemo": dataset{runtime: "thin", mountPoint: physical}.compiled(t, "refdemo")}
	for _, name := range []string{"ephemeral", "other-claim"} {
		patch, findings := Patch(mustRead(t, readPod(t, name)), sidecars, Options{HostDirectory: "x"})
		if patch != nil || findings != nil {
			t.Errorf("%s: patch %s, findings %v", name, patch, findings)
		}
	}
	raw := readPod(t, "nginx")
	if patch, findings := Patch(mustRead(t, raw), map[string]*Sidecar{"refdemo": nil}, Options{}); patch != nil || findings != nil {
		t.Errorf("without a sidecar: patch %s, findings %v", patch, findings)
	}
}

func TestPodsThatASidecarCantServeAreRefused(t *testing.T) {
	sidecars := map[string]*Sidecar{"refdemo": dataset{runtime: "thin", mountPoint: physical}.compiled(t, "refdemo")}
	for name, words := range map[string]string{
		"block-device":        "container reader uses it as a raw block device",
		"recursive-read-only": "container reader mounts it with recursiveReadOnly",
		"user-namespace":      "hostUsers: false",
	} {
		patch, findings := Patch(mustRead(t, readPod(t, name)), sidecars, Options{HostDirectory: "x"})
		if patch != nil || len(findings) != 1 || findings[0].Code != finding.CodePodUnsupportedUsage || !strings.Contains(findings[0].Message, words) {
			t.Errorf("%s: patch %s, findings %v", name, patch, findings)
		}
	}
	// Only who mounts the Dataset is concerned by the user namespace.
	raw := bytes.ReplaceAll(readPod(t, "unmounted"), []byte(`"spec":{`), []byte(`"spec":{"hostUsers":false,`))
	if patch, findings := Patch(mustRead(t, raw), sidecars, Options{HostDirectory: "x"}); patch == nil || findings != nil {
		t.Errorf("unmounted: patch %s, findings %v", patch, findings)
	}
}

func TestReadPodTakesWhatTheAPIServerTakes(t *testing.T) {
	for raw, good := range map[string]bool{
		`{"metadata":{"labels":{"a":"b"}},"spec":{"volumes":null}}`: true,
		`{"METADATA":{"labels":7},"spec":{"Volumes":"no"}}`:         true, // unknown fields, in another case
		`{"spec":{"future":{"a":1,"a":2}}}`:                         true,
		`{"spec":{"volumes":[]},"spec":{}}`:                         false,
		`{"spec":{"volumes":{}}}`:                                   false,
		`{"metadata":{"labels":{"a":1}}}`:                           false,
		`[]`:                                                        false,
		`{`:                                                         false,
		``:                                                          false,
	} {
		if _, err := ReadPod([]byte(raw)); (err == nil) != good {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestWants(t *testing.T) {
	for labels, want := range map[string]bool{
		``:                                    false,
		`"serverless.fluid.io/inject":"true"`: true,
		`"serverless.fluid.io/inject":"True"`: false,
		`"serverless.fluid.io/inject":"true","fluid.io/enable-injection":"false"`:    false,
		`"serverless.fluid.io/inject":"true","fluid.io/enable-injection":"true"`:     true,
		`"serverless.fluid.io/inject":"true","done.sidecar.fluid.io/inject":"true"`:  false,
		`"serverless.fluid.io/inject":"true","done.sidecar.fluid.io/inject":"false"`: true,
		`"fuse.serverful.fluid.io/inject":"true"`:                                    false,
	} {
		if got := mustRead(t, []byte(`{"metadata":{"labels":{`+labels+`}}}`)).Wants(); got != want {
			t.Errorf("%s: %t", labels, got)
		}
	}
}
