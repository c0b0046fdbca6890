package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject/scripts"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// findingCodes returns the codes of findings in order.
func findingCodes(findings finding.List) []finding.Code {
	var found []finding.Code
	for _, f := range findings {
		found = append(found, f.Code)
	}
	return found
}

// switched returns a pod with labels and annotations, written as YAML.
func switched(t testing.TB, pod, labels, annotations string) []byte {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(readPod(t, pod), &object); err != nil {
		t.Fatal(err)
	}
	metadata := object["metadata"].(map[string]any)
	for field, text := range map[string]string{"labels": labels, "annotations": annotations} {
		members, _ := metadata[field].(map[string]any)
		if members == nil {
			members = map[string]any{}
		}
		if err := yaml.Unmarshal([]byte(text), &members); err != nil {
			t.Fatal(err)
		}
		metadata[field] = members
	}
	return encode(t, object)
}

func TestSwitchesOfAPodMakeItsVariant(t *testing.T) {
	native, healing := Variant{}, Variant{SelfHealing: true}
	with := func(v Variant, change func(*Variant)) Variant { change(&v); return v }
	for _, test := range []struct {
		name, labels, annotations string
		defaults, want            Variant
		codes                     []finding.Code
	}{
		{"nothing", "", "", healing, healing, nil},
		{"classic", "", "kubectl-fluid.dev/sidecar-mode: classic", healing, with(healing, func(v *Variant) { v.Classic = true }), nil},
		{"native instead of classic", "", "kubectl-fluid.dev/sidecar-mode: native", Variant{Classic: true}, native, nil},
		{"no mode", "", "kubectl-fluid.dev/sidecar-mode: modern", native, native, []finding.Code{finding.CodeSwitchUnknown}},
		{"empty mode", "", "kubectl-fluid.dev/sidecar-mode: ''", native, native, []finding.Code{finding.CodeSwitchUnknown}},
		{"unprivileged label", "unprivileged.sidecar.fluid.io/inject: 'true'", "serverless.fluid.io/platform: default", native, Variant{Unprivileged: true}, nil},
		{"unprivileged label over a platform that nobody knows", "unprivileged.sidecar.fluid.io/inject: 'true'", "serverless.fluid.io/platform: x", native, Variant{Unprivileged: true}, nil},
		{"unprivileged platform", "", "serverless.fluid.io/platform: unprivileged", native, Variant{Unprivileged: true}, nil},
		{"default platform", "", "serverless.fluid.io/platform: default", native, native, nil},
		{"unknown platform", "", "serverless.fluid.io/platform: moon", native, native, []finding.Code{finding.CodeSwitchUnknown}},
		{"cache volumes", "cachedir.sidecar.fluid.io/inject: 'true'", "", native, Variant{CacheVolumes: true}, nil},
		{"no cache volumes", "cachedir.sidecar.fluid.io/inject: 'yes'", "", native, native, nil},
		{"no mount check", "fuse.sidecar.poststart.fluid.io/inject: 'false'", "", native, Variant{Unchecked: true}, nil},
		{"mount check", "fuse.sidecar.poststart.fluid.io/inject: 'true'", "", native, native, nil},
		{"fixed directory", "", "default.fuse-sidecar.fluid.io/host-mount-path-mode: fixed", native, Variant{Shared: true}, []finding.Code{finding.CodeSharedDirectory}},
		{"directory with a suffix", "", "default.fuse-sidecar.fluid.io/host-mount-path-mode: random-suffix", native, native, nil},
		{"unknown directory", "", "default.fuse-sidecar.fluid.io/host-mount-path-mode: here", native, native, []finding.Code{finding.CodeSwitchUnknown}},
		{"deprecated", "fuse.sidecar.fluid.io/inject: 'true'", "", native, native, []finding.Code{finding.CodeDeprecatedSwitch}},
		{"prefetcher", "", "file-prefetcher.fluid.io/inject: 'true'", native, native, []finding.Code{finding.CodeSwitchUnsupported}},
		{"unused", "worker.sidecar.fluid.io/inject: 'true'", "sidecar.fluid.io/skip-precheck: 'true'", native, native, nil},
	} {
		pod := mustRead(t, switched(t, "nginx", test.labels, test.annotations))
		got, findings := pod.Variant(podObject("ref", pod), test.defaults)
		if !slices.Equal(findingCodes(findings), test.codes) {
			t.Errorf("%s: findings %v", test.name, findings)
		}
		if !findings.Blocked() && got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// TestThePodsModeCountsThenItsNamespacesThenTheControllers asks a handler, on servers with and without native sidecars.
func TestThePodsModeCountsThenItsNamespacesThenTheControllers(t *testing.T) {
	for _, test := range []struct {
		server         bool
		flag           Mode
		namespace, pod string
		native         bool
		refused        finding.Code
	}{
		{true, "", "", "", true, ""},
		{false, "", "", "", false, ""},
		{true, ModeClassic, "", "", false, ""},
		{true, ModeNative, "", "", true, ""},
		{false, ModeNative, "", "", false, finding.CodeNoNativeSidecars},
		{true, "", "classic", "", false, ""},
		{true, ModeClassic, "native", "", true, ""},
		{false, "", "native", "", false, finding.CodeNoNativeSidecars},
		{false, "", "native", "classic", false, ""},
		{true, ModeClassic, "classic", "native", true, ""},
		{true, "", "modern", "", false, finding.CodeSwitchUnknown},
		{true, "", "modern", "native", true, ""},
		{true, "", "classic", "modern", false, finding.CodeSwitchUnknown},
	} {
		name := fmt.Sprintf("%+v", test)
		c := newCluster(t, "thin")
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ref"}}
		annotations := ""
		if test.namespace != "" {
			namespace.Annotations = map[string]string{AnnotationSidecarMode: test.namespace}
		}
		if test.pod != "" {
			annotations = AnnotationSidecarMode + ": " + test.pod
		}
		c.others = []client.Object{namespace}
		handler := &PodHandler{Reader: c.reader(t), MirrorNames: reference.UniqueNames, NativeSidecars: test.server, Mode: test.flag}
		raw := switched(t, "nginx", "", annotations)
		response := handler.Handle(t.Context(), podRequest("ref", raw))
		if test.refused != "" {
			if response.Allowed || !slices.Equal(codes(response.Result.Message), []finding.Code{test.refused}) {
				t.Errorf("%s: %+v", name, response)
			}
			continue
		}
		if !response.Allowed {
			t.Errorf("%s: %s", name, response.Result.Message)
			continue
		}
		var pod corev1.Pod
		if err := json.Unmarshal(apply(t, raw, response.Patch), &pod); err != nil {
			t.Fatal(err)
		}
		if native := len(pod.Spec.InitContainers) == 1 && pod.Spec.InitContainers[0].Name == "fluid-fuse-0"; native != test.native {
			t.Errorf("%s: native %t", name, native)
		}
		if classic := pod.Spec.Containers[0].Name == "fluid-fuse-0"; classic == test.native {
			t.Errorf("%s: classic %t", name, classic)
		}
	}
}

// patched patches a pod of the reference refdemo with the variant that it asks for.
func patched(t testing.TB, raw []byte, d dataset, defaults Variant) (*corev1.Pod, finding.List) {
	t.Helper()
	pod := mustRead(t, raw)
	variant, findings := pod.Variant(podObject("ref", pod), defaults)
	if findings.Blocked() {
		return nil, findings
	}
	patch, found := Patch(pod, map[string]*Sidecar{"refdemo": Compile(d.sidecar(t, "refdemo"), variant)}, Options{HostDirectory: "ref-3f0c"})
	findings = append(findings, found...)
	if patch == nil {
		return nil, findings
	}
	result := apply(t, raw, patch)
	checkPod(t, result, true)
	var typed corev1.Pod
	if err := json.Unmarshal(result, &typed); err != nil {
		t.Fatal(err)
	}
	return &typed, findings
}

func TestAClassicSidecarIsTheFirstContainerAndKubeletWaitsForItsMount(t *testing.T) {
	pod, findings := patched(t, readPod(t, "nginx"), dataset{"alluxio", physical + "/sub", nil}, Variant{Classic: true})
	if len(findings) > 0 || len(pod.Spec.InitContainers) > 0 || len(pod.Spec.Containers) != 2 {
		t.Fatalf("%v, %+v", findings, pod.Spec)
	}
	sidecar := pod.Spec.Containers[0]
	words := sidecar.Lifecycle.PostStart.Exec.Command
	if sidecar.Name != "fluid-fuse-0" || sidecar.StartupProbe != nil || sidecar.RestartPolicy != nil ||
		!slices.Equal(words[3:], []string{"await", "110", "/runtime-mnt/alluxio/default/phy/alluxio-fuse", "fuse.alluxio-fuse", "sub"}) {
		t.Errorf("%s: %+v", words, sidecar)
	}
	healing, _ := patched(t, readPod(t, "nginx"), dataset{"alluxio", physical, nil}, Variant{Classic: true, SelfHealing: true})
	if c := healing.Spec.Containers[0]; c.RestartPolicy == nil || len(c.RestartPolicyRules) != 1 {
		t.Errorf("it doesn't heal: %+v", c)
	}
}

// TestInClassicModeAnInitContainerThatReadsIsRefused also for a sidecar container that isn't from here.
func TestInClassicModeAnInitContainerThatReadsIsRefused(t *testing.T) {
	for _, name := range []string{"init-reads", "init-containers"} {
		pod, findings := patched(t, readPod(t, name), dataset{"thin", physical, nil}, Variant{Classic: true})
		if pod != nil || !slices.Equal(findingCodes(findings), []finding.Code{finding.CodeInitContainerReads}) {
			t.Errorf("%s: %v", name, findings)
		}
		if pod, findings := patched(t, readPod(t, name), dataset{"thin", physical, nil}, Variant{}); pod == nil || pod.Spec.InitContainers[0].Name != "fluid-fuse-0" {
			t.Errorf("%s: native: %v", name, findings)
		}
	}
}

func TestAClassicSidecarOfAJobIsWarnedOf(t *testing.T) {
	raw := bytes.Replace(readPod(t, "nginx"), []byte(`"spec":{`), []byte(`"spec":{"restartPolicy":"OnFailure",`), 1)
	if _, findings := patched(t, raw, dataset{"thin", physical, nil}, Variant{Classic: true}); !slices.Equal(findingCodes(findings), []finding.Code{finding.CodeClassicKeepsRunning}) {
		t.Error(findings)
	}
	if _, findings := patched(t, raw, dataset{"thin", physical, nil}, Variant{}); len(findings) > 0 {
		t.Error(findings)
	}
}

func TestAnUnprivilegedSidecarHasNoRightsOnTheNode(t *testing.T) {
	for _, runtime := range []string{"alluxio", "jindo", "juicefs", "thin"} {
		d := dataset{runtime, physical, func(spec *corev1.PodSpec) {
			spec.Containers[0].SecurityContext.Capabilities = &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN", "NET_ADMIN"}}
		}}
		pod, findings := patched(t, switched(t, "nginx", "unprivileged.sidecar.fluid.io/inject: 'true'", ""), d, Variant{})
		if len(findings) > 0 {
			t.Fatal(runtime, findings)
		}
		container := pod.Spec.InitContainers[0]
		if security := container.SecurityContext; *security.Privileged || !slices.Equal(security.Capabilities.Add, []corev1.Capability{"NET_ADMIN"}) {
			t.Errorf("%s: %+v", runtime, security)
		}
		for _, mount := range container.VolumeMounts {
			if mount.MountPropagation != nil || strings.Contains(mount.Name, "fuse-mount") || strings.Contains(mount.Name, "fuse-device") || strings.Contains(mount.Name, "fluid-pods") {
				t.Errorf("%s: it mounts %+v", runtime, mount)
			}
		}
		if path := pod.Spec.Volumes[0].HostPath.Path; strings.Contains(path, "3f0c") {
			t.Errorf("%s: the data is at %s, which nobody on the node knows", runtime, path)
		}
	}
}

func TestCacheVolumesAreKeptWhereThePodSaysSo(t *testing.T) {
	raw := switched(t, "nginx", "cachedir.sidecar.fluid.io/inject: 'true'", "")
	for runtime, cache := range map[string]string{"alluxio": "mem-0", "jindo": "datavolume-1-0", "juicefs": "cache-dir-0-0"} {
		has := func(pod *corev1.Pod) bool {
			return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == cache }) &&
				slices.ContainsFunc(pod.Spec.InitContainers[0].VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == cache })
		}
		with, _ := patched(t, raw, dataset{runtime, physical, nil}, Variant{})
		without, _ := patched(t, readPod(t, "nginx"), dataset{runtime, physical, nil}, Variant{})
		if !has(with) || has(without) {
			t.Errorf("%s: %s with the label: %t, without: %t", runtime, cache, has(with), has(without))
		}
	}
}

func TestTheMountCheckCanBeTurnedOff(t *testing.T) {
	raw := switched(t, "nginx", "fuse.sidecar.poststart.fluid.io/inject: 'false'", "")
	for _, classic := range []bool{false, true} {
		pod, _ := patched(t, raw, dataset{"thin", physical, nil}, Variant{Classic: classic})
		sidecar := append(pod.Spec.InitContainers, pod.Spec.Containers...)[0]
		if sidecar.StartupProbe != nil || sidecar.Lifecycle != nil {
			t.Errorf("%+v", sidecar)
		}
	}
}

// TestTheAppsMountCheckIsOnOrdinaryContainersOnly and keeps hooks of their own.
func TestTheAppsMountCheckIsOnOrdinaryContainersOnly(t *testing.T) {
	raw := switched(t, "app-check", "app.poststart.fluid.io/inject: 'true'", "")
	pod, findings := patched(t, raw, dataset{"alluxio", physical + "/sub", nil}, Variant{})
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	for _, container := range pod.Spec.InitContainers {
		if container.Lifecycle != nil && container.Name != "fluid-fuse-0" {
			t.Errorf("the init container %s has a hook", container.Name)
		}
	}
	want := map[string][]string{
		"two":   {"await", "10", "/data", "fuse.alluxio-fuse", "", "/more", "fuse.alluxio-fuse", ""},
		"hook":  {"true"},
		"stops": {"await", "10", "/data", "fuse.alluxio-fuse", ""},
		"none":  nil,
	}
	for _, container := range pod.Spec.Containers {
		var words []string
		if container.Lifecycle != nil && container.Lifecycle.PostStart != nil {
			words = container.Lifecycle.PostStart.Exec.Command
		}
		if len(words) > 3 {
			words = words[3:]
		}
		if !slices.Equal(words, want[container.Name]) {
			t.Errorf("%s: %q, want %q", container.Name, words, want[container.Name])
		}
	}
	if pod.Spec.Containers[2].Lifecycle.PreStop == nil {
		t.Error("a preStop is lost")
	}
}

// TestAFixedDirectoryIsTheOneOfFluidAndOnlyLosesDeadMounts as far as the patch goes; the script has tests of its own.
func TestAFixedDirectoryIsTheOneOfFluidAndOnlyLosesDeadMounts(t *testing.T) {
	raw := switched(t, "nginx", "", "default.fuse-sidecar.fluid.io/host-mount-path-mode: fixed")
	pod, _ := patched(t, raw, dataset{"thin", physical, nil}, Variant{})
	if path := pod.Spec.Volumes[0].HostPath.Path; path != "/runtime-mnt/thin/default/phy/thin-fuse" {
		t.Error(path)
	}
	if words := pod.Spec.InitContainers[0].Command; words[2] != scripts.SuperviseShared() || words[6] != "" {
		t.Errorf("%q", words)
	}
	if scripts.SuperviseShared() == scripts.Supervise() {
		t.Error("the script takes all mounts off")
	}
}

func TestAShortGracePeriodIsWarnedOf(t *testing.T) {
	for seconds, want := range map[string]bool{"0": true, "1": true, "2": false, "30": false, "null": false} {
		raw := bytes.Replace(readPod(t, "nginx"), []byte(`"spec":{`), []byte(`"spec":{"terminationGracePeriodSeconds":`+seconds+`,`), 1)
		_, findings := patched(t, raw, dataset{"thin", physical, nil}, Variant{})
		if got := slices.Equal(findingCodes(findings), []finding.Code{finding.CodeGraceShort}); got != want {
			t.Errorf("%s: %v", seconds, findings)
		}
	}
}
