package inject

import (
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// injectedPod returns the pod of a golden case as it is after the injection.
func injectedPod(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	for _, c := range admissionCases(t) {
		if c.name == name {
			patched, _ := c.patched(t, c.reader(t))
			return mustTyped(t, patched)
		}
	}
	t.Fatalf("there is no case %s", name)
	return nil
}

// mountsOf returns the mounts of a container with a propagation.
func mountsOf(container *corev1.Container, propagation corev1.MountPropagationMode) []*corev1.VolumeMount {
	var found []*corev1.VolumeMount
	for i := range container.VolumeMounts {
		if mount := &container.VolumeMounts[i]; mount.MountPropagation != nil && *mount.MountPropagation == propagation {
			found = append(found, mount)
		}
	}
	return found
}

// volumeOf returns the volume of a mount.
func volumeOf(pod *corev1.Pod, mount *corev1.VolumeMount) *corev1.Volume {
	for i := range pod.Spec.Volumes {
		if pod.Spec.Volumes[i].Name == mount.Name {
			return &pod.Spec.Volumes[i]
		}
	}
	return nil
}

// withoutSidecarLabels takes off the labels that name the sidecars.
func withoutSidecarLabels(pod *corev1.Pod) {
	for key := range pod.Labels {
		if strings.Contains(key, ".sidecar.fluid.io/fluid-fuse-") {
			delete(pod.Labels, key)
		}
	}
}

// early is a container that another webhook adds, which mounts what the app does.
func early(pod *corev1.Pod) corev1.Container {
	app := pod.Spec.Containers[len(pod.Spec.Containers)-1]
	return corev1.Container{Name: "early", Image: "early", VolumeMounts: app.VolumeMounts}
}

// alteration is what another webhook may do to an injected pod, and what the policy says of it: nothing, or a code.
type alteration struct {
	name, pod string
	alter     func(*corev1.Pod)
	want      finding.Code
}

func alterations() []alteration {
	unchanged := func(*corev1.Pod) {}
	sidecarLost := func(pod *corev1.Pod) { pod.Spec.InitContainers = pod.Spec.InitContainers[1:] }
	classicLost := func(pod *corev1.Pod) { pod.Spec.Containers = pod.Spec.Containers[1:] }
	another := func(pod *corev1.Pod) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "another", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	return []alteration{
		{"nothing", "thin-native", unchanged, ""},
		{"nothing of a classic one", "thin-classic", unchanged, ""},
		{"nothing of an unprivileged one", "thin-unprivileged-label", unchanged, ""},
		{"nothing of an unprivileged classic one", "unprivileged-classic", unchanged, ""},
		{"nothing of an unchecked one", "thin-no-mount-check", unchanged, ""},
		{"nothing of nested ones", "nested", unchanged, ""},
		{"another registry, command and environment", "thin-native", func(pod *corev1.Pod) {
			sidecar := &pod.Spec.InitContainers[0]
			sidecar.Image, sidecar.Command = "mirror.example.com/"+sidecar.Image, append([]string{"traced"}, sidecar.Command...)
			sidecar.Env = append(sidecar.Env, corev1.EnvVar{Name: "TRACED", Value: "1"})
		}, ""},
		{"another sidecar before it", "thin-native", func(pod *corev1.Pod) {
			proxy := corev1.Container{Name: "proxy", Image: "proxy", RestartPolicy: new(corev1.ContainerRestartPolicyAlways)}
			pod.Spec.InitContainers = append([]corev1.Container{proxy}, pod.Spec.InitContainers...)
		}, ""},
		{"another volume after its own", "thin-native", another, ""},
		{"another volume after its own, and where the app reads", "thin-native", func(pod *corev1.Pod) {
			volumeOf(pod, &pod.Spec.Containers[0].VolumeMounts[0]).HostPath.Path = "/elsewhere"
			another(pod)
		}, finding.CodeSidecarAltered},
		{"another container that mounts the data and sees it", "thin-native", func(pod *corev1.Pod) {
			pod.Spec.Containers = append(pod.Spec.Containers, early(pod))
		}, ""},
		{"another container that mounts the data and doesn't see it", "thin-native", func(pod *corev1.Pod) {
			container := early(pod)
			container.VolumeMounts = []corev1.VolumeMount{{Name: container.VolumeMounts[0].Name, MountPath: "/data"}}
			pod.Spec.Containers = append(pod.Spec.Containers, container)
		}, finding.CodeMountAltered},
		{"the sidecar", "thin-native", sidecarLost, finding.CodeSidecarLost},
		{"a classic sidecar", "thin-classic", classicLost, finding.CodeSidecarLost},
		{"an unprivileged sidecar", "thin-unprivileged-label", sidecarLost, finding.CodeSidecarLost},
		{"one of two sidecars", "two-runtimes", sidecarLost, finding.CodeSidecarLost},
		{"the sidecar and its labels", "thin-native", func(pod *corev1.Pod) {
			sidecarLost(pod)
			withoutSidecarLabels(pod)
		}, finding.CodeSidecarLost},
		{"the labels of the sidecar", "thin-native", withoutSidecarLabels, finding.CodeSidecarLost},
		{"all labels but the one that asks", "thin-native", func(pod *corev1.Pod) {
			sidecarLost(pod)
			pod.Labels = map[string]string{"serverless.fluid.io/inject": "true"}
		}, finding.CodeSidecarLost},
		{"the mark of the injection", "thin-native", func(pod *corev1.Pod) { delete(pod.Labels, "done.sidecar.fluid.io/inject") }, finding.CodeSidecarLost},
		{"going on running", "thin-native", func(pod *corev1.Pod) {
			sidecar := &pod.Spec.InitContainers[0]
			sidecar.RestartPolicy, sidecar.RestartPolicyRules, sidecar.Lifecycle = nil, nil, nil
		}, finding.CodeSidecarAltered},
		{"being waited for", "thin-native", func(pod *corev1.Pod) { pod.Spec.InitContainers[0].Lifecycle = nil }, finding.CodeSidecarAltered},
		{"being waited for, of a classic one", "thin-classic", func(pod *corev1.Pod) { pod.Spec.Containers[0].Lifecycle = nil }, finding.CodeSidecarAltered},
		{"sharing its mount", "thin-native", func(pod *corev1.Pod) {
			mountsOf(&pod.Spec.InitContainers[0], corev1.MountPropagationBidirectional)[0].MountPropagation = nil
		}, finding.CodeSidecarAltered},
		{"sharing its mount, of a classic one", "thin-classic", func(pod *corev1.Pod) {
			mountsOf(&pod.Spec.Containers[0], corev1.MountPropagationBidirectional)[0].MountPropagation = nil
		}, finding.CodeSidecarAltered},
		{"where it mounts", "thin-native", func(pod *corev1.Pod) {
			volumeOf(pod, mountsOf(&pod.Spec.InitContainers[0], corev1.MountPropagationBidirectional)[0]).HostPath.Path = "/elsewhere"
		}, finding.CodeSidecarAltered},
		{"where the app reads", "thin-native", func(pod *corev1.Pod) {
			volumeOf(pod, &pod.Spec.Containers[0].VolumeMounts[0]).HostPath.Path = "/elsewhere"
		}, finding.CodeSidecarAltered},
		{"what the app reads", "thin-native", func(pod *corev1.Pod) {
			volumeOf(pod, &pod.Spec.Containers[0].VolumeMounts[0]).VolumeSource = corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
		}, finding.CodeSidecarAltered},
		{"the app's sight of the mount", "thin-native", func(pod *corev1.Pod) {
			pod.Spec.Containers[0].VolumeMounts[0].MountPropagation = nil
		}, finding.CodeMountAltered},
		{"an init container before the sidecar", "thin-native", func(pod *corev1.Pod) {
			pod.Spec.InitContainers = append([]corev1.Container{early(pod)}, pod.Spec.InitContainers...)
		}, finding.CodeMountAltered},
		{"a container before a classic sidecar", "thin-classic", func(pod *corev1.Pod) {
			pod.Spec.Containers = append([]corev1.Container{early(pod)}, pod.Spec.Containers...)
		}, finding.CodeMountAltered},
	}
}

// TestPolicies on a real API server.
func TestPolicies(t *testing.T) {
	admin, config := startAPIServer(t)
	installPolicy(t, admin)
	t.Run("pods whose sidecars were lost or altered are refused, and no others", func(t *testing.T) { testAlterations(t, admin) })
	t.Run("a pod of a megabyte isn't too much for them", func(t *testing.T) {
		raw := podOfSize(t, 1_000_000)
		sidecar := dataset{runtime: "thin", mountPoint: physical}.compiled(t, "refdemo")
		patch, _ := Patch(mustRead(t, raw), map[string]*Sidecar{"refdemo": sidecar}, Options{HostDirectory: "x"})
		if _, err := tryPod(t, admin, apply(t, raw, patch), false); err != nil {
			t.Error(err)
		}
	})
	t.Run("a label for which no webhook is called is warned of", func(t *testing.T) { testDeprecatedLabel(t, config) })
}

func testAlterations(t *testing.T, admin client.Client) {
	for _, test := range alterations() {
		pod := injectedPod(t, test.pod)
		test.alter(pod)
		_, err := tryPod(t, admin, encode(t, pod), false)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), string(test.want)) {
			t.Errorf("%s: want %s, got %v", test.name, test.want, err)
		}
	}
}

// warningLog keeps the warnings of an API server.
type warningLog struct {
	mutex sync.Mutex
	lines []string
}

func (w *warningLog) HandleWarningHeader(_ int, _, text string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.lines = append(w.lines, text)
}

// testDeprecatedLabel: who uses the label alone gets no sidecar, and is told.
func testDeprecatedLabel(t *testing.T, config *rest.Config) {
	for labels, want := range map[string]bool{
		"{serverless.fluid.io/inject: 'false', fuse.sidecar.fluid.io/inject: 'true'}":  true,
		"{serverless.fluid.io/inject: 'false', fuse.sidecar.fluid.io/inject: 'false'}": false,
		"{serverless.fluid.io/inject: 'true', fuse.sidecar.fluid.io/inject: 'true'}":   false, // The webhook tells.
		"{}": false,
	} {
		told, telling := &warningLog{}, rest.CopyConfig(config)
		telling.WarningHandler = told
		warned, err := client.New(telling, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tryPod(t, warned, switched(t, "nginx", labels, ""), false); err != nil {
			t.Errorf("%s: %v", labels, err)
		}
		if got := strings.Contains(strings.Join(told.lines, "\n"), string(finding.CodeDeprecatedSwitch)); got != want {
			t.Errorf("%s: the API server warns %q", labels, told.lines)
		}
	}
}
