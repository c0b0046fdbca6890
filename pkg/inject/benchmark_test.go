package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// podOfSize returns a pod of about so many bytes, as service meshes and other tools leave them: two containers with
// environments and mounts, of ConfigMaps and of the Dataset.
func podOfSize(t testing.TB, size int) []byte {
	t.Helper()
	pod := corev1.Pod{}
	if err := json.Unmarshal(readPod(t, "nginx"), &pod); err != nil {
		t.Fatal(err)
	}
	app := &pod.Spec.Containers[0]
	for i := range size / 210 {
		app.Env = append(app.Env, corev1.EnvVar{Name: fmt.Sprintf("APPLICATION_SETTING_%d", i), Value: fmt.Sprintf("https://service-%d.example.com:8443/path", i)})
	}
	for i := range size / 1600 {
		name := fmt.Sprintf("configuration-%d", i)
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}})
		app.VolumeMounts = append(app.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/etc/" + name, ReadOnly: true})
	}
	second := app.DeepCopy()
	second.Name = "second"
	pod.Spec.Containers = append(pod.Spec.Containers, *second)
	return encode(t, pod)
}

// typedPatch does what Patch does in the usual way: it decodes a typed Pod, changes it, encodes it, and takes the
// difference.
func typedPatch(t testing.TB, raw []byte, sidecar *reference.Sidecar) []byte {
	var pod corev1.Pod
	if err := json.Unmarshal(raw, &pod); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{datav1alpha1.LabelInjectionDone: "true", datav1alpha1.LabelManagedBy: "fluid",
		datav1alpha1.LabelSidecarDatasetName + "fluid-fuse-0": "refdemo", datav1alpha1.LabelSidecarDatasetNamespace + "fluid-fuse-0": "ref"} {
		pod.Labels[key] = value
	}
	pod.Annotations = map[string]string{datav1alpha1.AnnotationDatasetsInUse: "refdemo", AnnotationInjectedBy: reference.FieldManager}
	pod.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: sidecar.MountPath}}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].VolumeMounts[0].MountPropagation = new(corev1.MountPropagationHostToContainer)
	}
	for _, volume := range sidecar.Volumes {
		if !(Variant{}).without(volume.Name) {
			pod.Spec.Volumes = append(pod.Spec.Volumes, *volume.DeepCopy())
		}
	}
	container := sidecarContainer(sidecar, "fluid-fuse-0", "x", Variant{SelfHealing: true})
	pod.Spec.InitContainers = append([]corev1.Container{*container}, pod.Spec.InitContainers...)
	changed, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	response := admission.PatchResponseFromRaw(raw, changed)
	if !response.Allowed {
		t.Fatal(response.Result)
	}
	patch, err := json.Marshal(response.Patches)
	if err != nil {
		t.Fatal(err)
	}
	return patch
}

// BenchmarkPatch compares reading and patching a pod here with the usual way in the same run.
func BenchmarkPatch(b *testing.B) {
	sidecar := dataset{runtime: "alluxio", mountPoint: physical}.sidecar(b, "refdemo")
	sidecars := map[string]*Sidecar{"refdemo": Compile(sidecar, Variant{SelfHealing: true})}
	for _, size := range []int{2_000, 13_000, 123_000, 1_000_000} {
		raw := podOfSize(b, size)
		compareWays(b, raw, sidecar, "patch", func() []byte {
			patch, _ := Patch(mustRead(b, raw), sidecars, Options{HostDirectory: "x"})
			return patch
		})
	}
}

// compareWays measures typedPatch and another way, and reports how many times faster that is, and how many times fewer
// allocations it makes.
func compareWays(b *testing.B, raw []byte, sidecar *reference.Sidecar, name string, way func() []byte) {
	nanoseconds, allocations := map[string]float64{}, map[string]float64{}
	for _, w := range []struct {
		name  string
		patch func() []byte
	}{{"typed", func() []byte { return typedPatch(b, raw, sidecar) }}, {name, way}} {
		b.Run(fmt.Sprintf("%dKB/%s", len(raw)/1000, w.name), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if !bytes.Contains(w.patch(), []byte("initContainers")) {
					b.Fatal("there is no sidecar")
				}
			}
			nanoseconds[w.name] = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			b.StopTimer()
			allocations[w.name] = testing.AllocsPerRun(10, func() { w.patch() })
			if w.name == name && nanoseconds["typed"] > 0 {
				b.ReportMetric(nanoseconds["typed"]/nanoseconds[name], "times-faster")
				b.ReportMetric(allocations["typed"]/allocations[name], "times-fewer-allocs")
			}
		})
	}
}

// BenchmarkPatchGrows shows that the time for a byte doesn't grow with the pod, over eight sizes up to 1 MB.
func BenchmarkPatchGrows(b *testing.B) {
	sidecars := map[string]*Sidecar{"refdemo": dataset{runtime: "alluxio", mountPoint: physical}.compiled(b, "refdemo")}
	for _, size := range []int{8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_000_000} {
		raw := podOfSize(b, size)
		b.Run(fmt.Sprintf("%dKB", len(raw)/1000), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				Patch(mustRead(b, raw), sidecars, Options{HostDirectory: "x"})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(raw)), "ns/byte")
		})
	}
}
