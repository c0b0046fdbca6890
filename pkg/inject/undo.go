package inject

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// ContainerNamePrefix and an index are the name of a sidecar, as Fluid has it since v0.9.0.
const ContainerNamePrefix = "fluid-fuse-"

// Names of containers that only Fluid's own injection gives.
const (
	// fluidContainer is the sidecar's name before Fluid v0.9.0.
	fluidContainer = "fluid-fuse"
	// fluidPlaceholder begins the names of the init containers that stand for classic sidecars before those run.
	fluidPlaceholder = "init-fluid-fuse"
)

// IsSidecarName reports whether injection gives a container such a name, this project's or Fluid's. A container of the app
// may have such a name, too.
func IsSidecarName(container string) bool {
	return container == fluidContainer || strings.HasPrefix(container, ContainerNamePrefix)
}

// IsPlaceholderName reports whether a container is one that Fluid's injection puts in the place of a classic sidecar.
func IsPlaceholderName(container string) bool { return strings.HasPrefix(container, fluidPlaceholder) }

// Undo returns a pod as it was before injection, by Patch or by Fluid's webhook, as far as that shows on it. A pod that
// nobody injected stays as it is. These things don't show, and stay:
//   - image pull secrets and the annotation for Prometheus;
//   - that mounts of a Dataset are read-only. The mountPropagation that they had is lost.
//   - the volume of a claim that no container mounts;
//   - which of several sidecars serves a volume, if none of them mounts it.
func Undo(pod *corev1.Pod) *corev1.Pod {
	u := undo{pod: pod.DeepCopy()}
	if pod.Labels[datav1alpha1.LabelInjectionDone] != "true" {
		return u.pod
	}
	u.restoreClaims()
	u.removeSidecars()
	u.removeHooks()
	u.removeMarks()
	return u.pod
}

type undo struct{ pod *corev1.Pod }

// added reports whether injection added a container. On pods that this project injected, a label says so of each sidecar.
func (u undo) added(c *corev1.Container) bool {
	_, labelled := u.pod.Labels[datav1alpha1.LabelSidecarDatasetName+c.Name]
	return labelled || u.pod.Annotations[AnnotationInjectedBy] == "" && (IsSidecarName(c.Name) || IsPlaceholderName(c.Name))
}

// containers calls visit for each container of the pod, with whether injection added it.
func (u undo) containers(visit func(c *corev1.Container, added bool)) {
	for _, list := range [][]corev1.Container{u.pod.Spec.InitContainers, u.pod.Spec.Containers} {
		for i := range list {
			visit(&list[i], u.added(&list[i]))
		}
	}
}

// restoreClaims gives the volumes in which containers of the app see a Dataset its claim again.
func (u undo) restoreClaims() {
	wasClaim, readOnly := u.claims()
	for i := range u.pod.Spec.Volumes {
		v := &u.pod.Spec.Volumes[i]
		claim := u.pod.Labels[datav1alpha1.LabelSidecarDatasetName+u.client(v)]
		if claim == "" || !wasClaim(v.Name) {
			continue
		}
		v.VolumeSource = corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim, ReadOnly: readOnly[v.Name]}}
		u.containers(func(c *corev1.Container, _ bool) {
			for m := range c.VolumeMounts {
				if c.VolumeMounts[m].Name == v.Name {
					c.VolumeMounts[m].MountPropagation = nil
				}
			}
		})
	}
}

// claims says which volumes were claims of Datasets, and which of them read-only. Fluid leaves no list of them: there it is
// those that the app's containers mount.
func (u undo) claims() (wasClaim func(volume string) bool, readOnly map[string]bool) {
	if _, listed := u.pod.Annotations[AnnotationDatasetVolumes]; listed {
		volumes := injectedVolumes(u.pod.Labels, u.pod.Annotations)
		return func(name string) bool { _, ok := volumes[name]; return ok }, volumes
	}
	mounted := map[string]bool{}
	u.containers(func(c *corev1.Container, added bool) {
		for i := range c.VolumeMounts {
			if !added {
				mounted[c.VolumeMounts[i].Name] = true
			}
		}
	})
	return func(name string) bool { return mounted[name] }, nil
}

// client returns the name of the sidecar that serves a volume: the one that the node plugin is told, or the one that
// mounts the volume's directory on the node, or one above it, with Bidirectional propagation. Where something on the node
// mounts for the sidecar, it is the only one. The name is empty if it can't be told.
func (u undo) client(v *corev1.Volume) string {
	switch {
	case v.CSI != nil && v.CSI.Driver == volume.Driver:
		return v.CSI.VolumeAttributes[volume.AttributeClient]
	case v.HostPath == nil:
		return ""
	}
	name, directory, sidecars := "", path.Clean(v.HostPath.Path)+"/", []string{}
	u.containers(func(c *corev1.Container, added bool) {
		if added {
			sidecars = append(sidecars, c.Name)
		}
		for i := range c.VolumeMounts {
			mount := &c.VolumeMounts[i]
			if !added || mount.MountPropagation == nil || *mount.MountPropagation != corev1.MountPropagationBidirectional {
				continue
			}
			if shared := u.directory(mount.Name); shared != "" && strings.HasPrefix(directory, shared+"/") {
				name = c.Name
			}
		}
	})
	if name == "" && len(sidecars) == 1 {
		return sidecars[0]
	}
	return name
}

// directory returns the directory on the node of a volume; empty if it has none.
func (u undo) directory(name string) string {
	for i := range u.pod.Spec.Volumes {
		if v := &u.pod.Spec.Volumes[i]; v.Name == name && v.HostPath != nil {
			return path.Clean(v.HostPath.Path)
		}
	}
	return ""
}

// removeSidecars removes the sidecars, and the volumes that only they mount.
func (u undo) removeSidecars() {
	theirs := map[string]bool{}
	u.containers(func(c *corev1.Container, added bool) {
		for i := range c.VolumeMounts {
			name := c.VolumeMounts[i].Name
			if shared, seen := theirs[name]; added && (!seen || shared) {
				theirs[name] = true
			} else {
				theirs[name] = false
			}
		}
	})
	u.pod.Spec.Volumes = slices.DeleteFunc(u.pod.Spec.Volumes, func(v corev1.Volume) bool { return theirs[v.Name] })
	for _, list := range []*[]corev1.Container{&u.pod.Spec.InitContainers, &u.pod.Spec.Containers} {
		*list = slices.DeleteFunc(*list, func(c corev1.Container) bool { return u.added(&c) })
	}
}

// removeHooks removes the checks of mounts from the app's containers.
func (u undo) removeHooks() {
	if u.pod.Labels[LabelAppMountCheck] != "true" {
		return
	}
	u.containers(func(c *corev1.Container, _ bool) {
		if c.Lifecycle == nil || c.Lifecycle.PostStart == nil || c.Lifecycle.PostStart.Exec == nil || !isAppHook(c.Lifecycle.PostStart.Exec.Command) {
			return
		}
		if c.Lifecycle.PostStart = nil; *c.Lifecycle == (corev1.Lifecycle{}) {
			c.Lifecycle = nil
		}
	})
}

// removeMarks removes the labels and annotations that writeMetadata writes.
func (u undo) removeMarks() {
	for label := range u.pod.Labels {
		if label == datav1alpha1.LabelInjectionDone || label == datav1alpha1.LabelManagedBy ||
			strings.HasPrefix(label, datav1alpha1.LabelSidecarDatasetName) || strings.HasPrefix(label, datav1alpha1.LabelSidecarDatasetNamespace) {
			delete(u.pod.Labels, label)
		}
	}
	for _, annotation := range []string{datav1alpha1.AnnotationDatasetsInUse, AnnotationInjectedBy, AnnotationDatasetVolumes} {
		delete(u.pod.Annotations, annotation)
	}
}
