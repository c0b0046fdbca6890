package inject

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// servedCases are the golden admissions whose sidecars have no privileges, each with its pod.
func servedCases(t testing.TB) map[string]*corev1.Pod {
	t.Helper()
	pods := map[string]*corev1.Pod{}
	for _, c := range admissionCases(t) {
		if c.Handler.Privileges != PrivilegesNone {
			continue
		}
		if raw, changed := c.patched(t, c.reader(t)); changed {
			pods[c.name] = mustTyped(t, raw)
		}
	}
	if len(pods) < 25 {
		t.Errorf("there are only %d", len(pods))
	}
	return pods
}

func sidecarsOf(pod *corev1.Pod) []corev1.Container {
	return slices.DeleteFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), func(c corev1.Container) bool {
		return !strings.HasPrefix(c.Name, ContainerNamePrefix)
	})
}

// TestSidecarsWithoutPrivilegesHaveNoneInAnyForm, and nothing of the node, of their pod's account and of its app.
func TestSidecarsWithoutPrivilegesHaveNoneInAnyForm(t *testing.T) {
	for name, pod := range servedCases(t) {
		volumes := map[string]corev1.Volume{}
		for _, v := range pod.Spec.Volumes {
			if v.HostPath != nil {
				t.Errorf("%s: the volume %s is %s of the node", name, v.Name, v.HostPath.Path)
			}
			volumes[v.Name] = v
		}
		for _, c := range sidecarsOf(pod) {
			s := c.SecurityContext
			if s.Privileged != nil || *s.AllowPrivilegeEscalation || len(s.Capabilities.Add) > 0 || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) ||
				!*s.ReadOnlyRootFilesystem || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || s.SELinuxOptions != nil || s.AppArmorProfile != nil || s.ProcMount != nil {
				t.Errorf("%s: %s may %+v", name, c.Name, s)
			}
			token := false
			for _, mount := range c.VolumeMounts {
				if mount.MountPropagation != nil {
					t.Errorf("%s: %s mounts %s with propagation", name, c.Name, mount.Name)
				}
				token = token || mount.MountPath == tokenPath && volumes[mount.Name].EmptyDir != nil && mount.ReadOnly
			}
			if !token {
				t.Errorf("%s: %s would get the ServiceAccount's token", name, c.Name)
			}
			checkBroker(t, name, volumes, &c)
		}
	}
}

// checkBroker makes sure that a sidecar has its own broker, and nobody's else.
func checkBroker(t *testing.T, name string, volumes map[string]corev1.Volume, c *corev1.Container) {
	t.Helper()
	at := map[string]bool{}
	for _, mount := range c.VolumeMounts {
		v := volumes[mount.Name]
		if v.CSI == nil || v.CSI.VolumeAttributes[volume.AttributeRole] != volume.RoleBroker {
			continue
		}
		if v.CSI.Driver != volume.Driver || v.CSI.VolumeAttributes[volume.AttributeClient] != c.Name || mount.ReadOnly != (mount.MountPath != volume.DevicePath) {
			t.Errorf("%s: %s mounts %+v of %+v", name, c.Name, mount, v.CSI)
		}
		at[mount.MountPath] = true
	}
	want := []string{volume.MountPath, volume.DevicePath}
	for _, path := range volume.FusermountPaths() {
		want = append(want, path.Path)
	}
	for _, path := range want {
		if !at[path] {
			t.Errorf("%s: %s has no broker at %s", name, c.Name, path)
		}
	}
}

// TestEveryDataVolumeHasItsClient in the pod, if a container mounts it.
func TestEveryDataVolumeHasItsClient(t *testing.T) {
	for name, pod := range servedCases(t) {
		clients := map[string]bool{"": name == "served-mounted-nowhere"}
		for _, c := range sidecarsOf(pod) {
			clients[c.Name] = true
		}
		data := 0
		for _, v := range pod.Spec.Volumes {
			if v.CSI != nil && v.CSI.VolumeAttributes[volume.AttributeRole] == volume.RoleData {
				data++
				if client := v.CSI.VolumeAttributes[volume.AttributeClient]; !clients[client] {
					t.Errorf("%s: the volume %s is %q's", name, v.Name, client)
				}
			}
		}
		if data == 0 {
			t.Errorf("%s has no data", name)
		}
	}
}

// restrict makes the app of a pod one that the Pod Security level restricted allows; sidecars stay as they are.
func restrict(pod *corev1.Pod) {
	app := &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		RunAsNonRoot: new(true), RunAsUser: new(int64(1000)), SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if !strings.HasPrefix(list[i].Name, ContainerNamePrefix) {
				list[i].SecurityContext = app
			}
		}
	}
}

// TestPodSecurityRestrictedTakesPodsWithoutPrivileges, but for those whose client's profile or whose own words ask for root.
func TestPodSecurityRestrictedTakesPodsWithoutPrivileges(t *testing.T) {
	admin, _ := startAPIServer(t)
	installPolicy(t, admin)
	for _, namespace := range []string{"ref", "default"} {
		patch := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		if err := admin.Patch(t.Context(), object, client.RawPatch(types.MergePatchType, patch)); err != nil {
			t.Fatal(err)
		}
	}
	root := map[string]bool{"served-juicefs": true, "served-pod-root": true}
	nobody := map[string]bool{"served-user-none": true} // whose image's user Pod Security doesn't know
	for name, pod := range servedCases(t) {
		restrict(pod)
		_, err := tryPod(t, admin, encode(t, pod), false)
		if refused := root[name] || nobody[name]; (err != nil) != refused || err != nil && !strings.Contains(err.Error(), "violates PodSecurity") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNobodyGetsASidecarsVolumesByGuessingTheirNames: such a pod is left for the API server to refuse, which knows no volume
// of that name.
func TestNobodyGetsASidecarsVolumesByGuessingTheirNames(t *testing.T) {
	for _, variant := range randomVariants() {
		sidecars := randomSidecars(t, variant)
		first, findings := Patch(mustRead(t, readPod(t, "nginx")), sidecars, Options{HostDirectory: "x"})
		if findings.Blocked() {
			t.Fatal(findings)
		}
		pod := mustTyped(t, apply(t, readPod(t, "nginx"), first))
		var guesses []corev1.VolumeMount
		for _, v := range pod.Spec.Volumes[1:] {
			guesses = append(guesses, corev1.VolumeMount{Name: v.Name, MountPath: "/" + v.Name})
		}
		var raw map[string]any
		if err := json.Unmarshal(readPod(t, "nginx"), &raw); err != nil {
			t.Fatal(err)
		}
		raw["spec"].(map[string]any)["containers"] = append(raw["spec"].(map[string]any)["containers"].([]any),
			map[string]any{"name": "thief", "image": "thief", "volumeMounts": guesses})
		patch, findings := Patch(mustRead(t, encode(t, raw)), sidecars, Options{HostDirectory: "x"})
		if patch == nil {
			t.Fatal(findings)
		}
		result := mustTyped(t, apply(t, encode(t, raw), patch))
		for _, v := range result.Spec.Volumes {
			if slices.ContainsFunc(guesses, func(m corev1.VolumeMount) bool { return m.Name == v.Name }) {
				t.Errorf("%+v: the volume %s was guessed", variant, v.Name)
			}
		}
	}
}

func TestUsersOfSidecarsAreNumbersOrNone(t *testing.T) {
	for text, want := range map[string]int64{"none": NoUser, "65534": DefaultUser, "1": 1, "2147483647": 2147483647, "0": 0, "-1": 0, "": 0, "nobody": 0, "2147483648": 0, "1.5": 0} {
		if user, err := ParseUser(text); user != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", text, user, err)
		}
	}
}

// TestAllMayReadWhatASidecarMayRead: a client of any user reads the configuration and Secrets that only root could.
func TestAllMayReadWhatASidecarMayRead(t *testing.T) {
	for mode, want := range map[int32]int32{0o400: 0o444, 0o440: 0o444, 0o600: 0o644, 0o700: 0o755, 0o644: 0o644, 0o755: 0o755, 0: 0, 0o550: 0o555} {
		v := readable(corev1.Volume{VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{DefaultMode: &mode, Items: []corev1.KeyToPath{{Mode: &mode}}}}})
		if got := *v.Secret.DefaultMode; got != want || *v.Secret.Items[0].Mode != want {
			t.Errorf("%o becomes %o, want %o", mode, got, want)
		}
	}
}

// TestRefusalsWithoutPrivilegesNameTheReason is about clients and templates; the goldens have the pods.
func TestRefusalsWithoutPrivilegesNameTheReason(t *testing.T) {
	sidecar := dataset{"thin", physical, func(spec *corev1.PodSpec) {
		spec.Containers[0].Command = nil
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "socket", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/run/x.sock"}}})
		spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "socket", MountPath: "/x.sock"})
	}}.sidecar(t, "refdemo")
	patch, findings := Patch(mustRead(t, readPod(t, "nginx")), map[string]*Sidecar{"refdemo": Compile(sidecar, Variant{Served: true})}, Options{})
	want := []finding.Code{finding.CodeClientUnknown, finding.CodeHostPathNeeded, finding.CodeClientUnsupervised}
	if patch != nil || !slices.Equal(findingCodes(findings), want) || !strings.Contains(findings[1].Message, "/run/x.sock of the node in the volume socket") {
		t.Errorf("patch %s, findings %v", patch, findings)
	}
	// Nobody mounts it: nobody has to care.
	if patch, findings := Patch(mustRead(t, readPod(t, "unmounted")), map[string]*Sidecar{"refdemo": Compile(sidecar, Variant{Served: true})}, Options{}); patch == nil || len(findings) > 0 {
		t.Errorf("unmounted: %s %v", patch, findings)
	}
}
