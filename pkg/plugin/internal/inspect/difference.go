package inspect

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
)

// diffOfInjected returns what injection has changed in a pod. Nobody keeps the pod as it was: it is what is left without
// the sidecars, their volumes, labels and annotations, with the claims of their Datasets where containers see the data.
// It is empty if the pod can't be written.
func diffOfInjected(pod *corev1.Pod, sidecars []workload.Sidecar) string {
	after, err := podJSON(pod)
	if err != nil {
		return ""
	}
	before, err := podJSON(withoutSidecars(pod, sidecars))
	if err != nil {
		return ""
	}
	diff, err := output.DiffYAML("before injection, as far as that shows", "the pod", before, after)
	if err != nil {
		return ""
	}
	return diff
}

// withoutSidecars returns a pod as it was before injection, as far as that shows.
func withoutSidecars(pod *corev1.Pod, sidecars []workload.Sidecar) *corev1.Pod {
	pod = pod.DeepCopy()
	restoreClaims(pod, sidecars)
	added := func(c corev1.Container) bool {
		return workload.IsSidecar(c.Name) || strings.HasPrefix(c.Name, workload.SidecarPlaceholder)
	}
	used := map[string]bool{}
	for _, list := range []*[]corev1.Container{&pod.Spec.InitContainers, &pod.Spec.Containers} {
		for _, c := range *list {
			if added(c) {
				for _, mount := range c.VolumeMounts {
					used[mount.Name] = true
				}
			}
		}
		*list = slices.DeleteFunc(*list, added)
	}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			for _, mount := range c.VolumeMounts {
				delete(used, mount.Name)
			}
		}
	}
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return used[v.Name] })
	for label := range pod.Labels {
		if label == datav1alpha1.LabelInjectionDone || label == datav1alpha1.LabelManagedBy ||
			strings.HasPrefix(label, datav1alpha1.LabelSidecarDatasetName) || strings.HasPrefix(label, datav1alpha1.LabelSidecarDatasetNamespace) {
			delete(pod.Labels, label)
		}
	}
	for _, annotation := range []string{datav1alpha1.AnnotationDatasetsInUse, inject.AnnotationInjectedBy, inject.AnnotationDatasetVolumes} {
		delete(pod.Annotations, annotation)
	}
	return pod
}

// restoreClaims gives the volumes in which containers see a Dataset its claim again.
func restoreClaims(pod *corev1.Pod, sidecars []workload.Sidecar) {
	for _, sidecar := range sidecars {
		for n := range pod.Spec.Volumes {
			volume := &pod.Spec.Volumes[n]
			if sidecar.Key.Name == "" || volume.HostPath == nil || !slices.ContainsFunc(sidecar.Mounts, func(m workload.Mount) bool { return m.Volume == volume.Name }) {
				continue
			}
			volume.VolumeSource = corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: sidecar.Key.Name}}
			for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
				for c := range list {
					for m := range list[c].VolumeMounts {
						if list[c].VolumeMounts[m].Name == volume.Name {
							list[c].VolumeMounts[m].MountPropagation = nil
						}
					}
				}
			}
		}
	}
}
