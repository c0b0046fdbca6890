package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	jsondiff "gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// largePod returns a pod of about 13 KB, as a service mesh and a few tools leave it.
func largePod(t testing.TB) []byte {
	t.Helper()
	pod := corev1.Pod{}
	if err := json.Unmarshal(readPod(t, "nginx"), &pod); err != nil {
		t.Fatal(err)
	}
	app := &pod.Spec.Containers[0]
	for i := range 60 {
		app.Env = append(app.Env, corev1.EnvVar{Name: fmt.Sprintf("APPLICATION_SETTING_%d", i), Value: fmt.Sprintf("https://service-%d.example.com:8443/path", i)})
	}
	for i := range 8 {
		name := fmt.Sprintf("configuration-%d", i)
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}}})
		app.VolumeMounts = append(app.VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/etc/" + name, ReadOnly: true})
	}
	helper := app.DeepCopy()
	helper.Name = "helper"
	pod.Spec.Containers = append(pod.Spec.Containers, *helper)
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// typedPatch does what Patch does in the usual way: it decodes a typed Pod, changes it, encodes it, and takes the
// difference.
func typedPatch(t testing.TB, raw []byte, sidecar *reference.Sidecar) []byte {
	var pod corev1.Pod
	if err := json.Unmarshal(raw, &pod); err != nil {
		t.Fatal(err)
	}
	j := injection{pod: &Pod{}, options: Options{HostDirectory: "x", SelfHealing: true}, volumeNames: map[string]bool{}}
	j.addSidecar(sidecar)
	j.label(datav1alpha1.LabelInjectionDone, "true")
	for key, value := range j.labels {
		pod.Labels[key] = value
	}
	pod.Annotations = map[string]string{datav1alpha1.AnnotationDatasetsInUse: "refdemo", AnnotationInjectedBy: reference.FieldManager}
	pod.Spec.Volumes[0].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: sidecar.MountPath}}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].VolumeMounts[0].MountPropagation = new(corev1.MountPropagationHostToContainer)
	}
	pod.Spec.Volumes = append(pod.Spec.Volumes, j.volumes...)
	pod.Spec.InitContainers = append(j.containers, pod.Spec.InitContainers...)
	changed, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	operations, err := jsondiff.CreatePatch(raw, changed)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := json.Marshal(operations)
	if err != nil {
		t.Fatal(err)
	}
	return patch
}

// BenchmarkPatch compares reading and patching a pod here with the usual way, and reports how many times faster it is.
func BenchmarkPatch(b *testing.B) {
	raw := largePod(b)
	sidecar := dataset{runtime: "alluxio", mountPoint: physical}.sidecar(b, "refdemo")
	sidecars := map[string]*reference.Sidecar{"refdemo": sidecar}
	perOperation := map[string]float64{}
	for _, way := range []struct {
		name  string
		patch func() []byte
	}{
		{"typed", func() []byte { return typedPatch(b, raw, sidecar) }},
		{"patch", func() []byte {
			patch, _ := Patch(mustRead(b, raw), sidecars, Options{HostDirectory: "x", SelfHealing: true})
			return patch
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if !bytes.Contains(way.patch(), []byte("initContainers")) {
					b.Fatal("there is no sidecar")
				}
			}
			perOperation[way.name] = float64(b.Elapsed()) / float64(b.N)
			if way.name == "patch" && perOperation["typed"] > 0 {
				b.ReportMetric(perOperation["typed"]/perOperation["patch"], "times-faster")
			}
		})
	}
}
