package inject

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// AnnotationInjectedBy on a pod says who injected its sidecars.
const AnnotationInjectedBy = "kubectl-fluid.dev/injected-by"

// containerNamePrefix and an index are the name of a sidecar, as Fluid has it since v0.9.0.
const containerNamePrefix = "fluid-fuse"

// Options are what a patch depends on beside the pod and the sidecars.
type Options struct {
	// HostDirectory is the name of the pod's own directory below that of the FUSE client on the node. It must differ
	// from pod to pod: on a directory that two pods share their mounts are stacked, and the end of one ends the other's.
	HostDirectory string
	// SelfHealing lets a sidecar that crashed restart all containers, so that the app gets the new mount. The server
	// must have ContainerRestartRules with RestartAllContainers (on by default from Kubernetes 1.36).
	SelfHealing bool
}

// Patch returns the JSON patch that gives a pod its sidecars: for each claim the sidecar of its Dataset. The patch is
// nil if no claim of the pod has a sidecar. Findings say why a pod can't be patched; then the patch is nil too.
//
// The pod must not have been patched before (see Pod.Wants).
func Patch(pod *Pod, sidecars map[string]*reference.Sidecar, options Options) ([]byte, reference.Findings) {
	j := injection{pod: pod, options: options, volumeNames: map[string]bool{}, hostPaths: map[int]string{}}
	for _, volume := range pod.Spec.Volumes {
		j.volumeNames[volume.Name] = true
	}
	for _, claim := range pod.Claims() {
		if sidecar := sidecars[claim]; sidecar != nil {
			j.inject(claim, sidecar)
		}
	}
	if len(j.datasets) == 0 || len(j.findings) > 0 {
		return nil, j.findings
	}
	patch, err := json.Marshal(j.operations())
	if err != nil {
		// Sidecars come from the API server as JSON, so they can be encoded.
		panic(fmt.Sprintf("encoding the patch of pod %s: %v", pod.Name(), err))
	}
	return patch, nil
}

// injection collects what a pod gets, one Dataset after the other.
type injection struct {
	pod     *Pod
	options Options

	volumeNames map[string]bool
	hostPaths   map[int]string // of the pod's volumes by index
	containers  []corev1.Container
	volumes     []corev1.Volume
	pullSecrets []corev1.LocalObjectReference
	datasets    []string
	labels      map[string]string
	labelKeys   []string
	nextIndex   int
	findings    reference.Findings
}

// inject gives the pod the sidecar of the Dataset that has a claim.
func (j *injection) inject(claim string, sidecar *reference.Sidecar) {
	var names []string
	var indexes []int
	for i, volume := range j.pod.Spec.Volumes {
		if volume.Claim != nil && volume.Claim.ClaimName == claim {
			names, indexes = append(names, volume.Name), append(indexes, i)
		}
	}
	mounted, obstacle := j.pod.mounts(names)
	if obstacle != "" {
		j.findings = append(j.findings, reference.NewFinding(reference.CodePodUnsupportedUsage,
			reference.Object{Kind: "Pod", Namespace: sidecar.Dataset.Namespace, Name: j.pod.Name()},
			"a sidecar can't serve it the Dataset %s: %s", sidecar.Dataset, obstacle))
		return
	}
	directory := path.Join(j.hostDirectory(sidecar), sidecar.MountDirectory, sidecar.SubPath)
	for _, i := range indexes {
		j.hostPaths[i] = directory
	}
	j.datasets = append(j.datasets, sidecar.Dataset.Name)
	if mounted {
		j.addSidecar(sidecar)
	}
}

// hostDirectory is the directory on the node in which this pod's FUSE client of a Dataset mounts.
func (j *injection) hostDirectory(sidecar *reference.Sidecar) string {
	for _, volume := range sidecar.Volumes {
		if volume.Name == sidecar.MountVolume {
			return path.Join(volume.HostPath.Path, j.options.HostDirectory)
		}
	}
	panic("sidecar of " + sidecar.Dataset.String() + " without its mount volume " + sidecar.MountVolume)
}

// addSidecar adds the container and its volumes under names that are free in the pod.
func (j *injection) addSidecar(sidecar *reference.Sidecar) {
	name, index := j.pod.sidecarName(j.nextIndex)
	j.nextIndex = index + 1
	container := sidecarContainer(sidecar, name, j.options)
	renamed := map[string]string{}
	for _, volume := range sidecar.Volumes {
		if trimmed(volume.Name) {
			continue
		}
		volume = *volume.DeepCopy()
		if volume.Name == sidecar.MountVolume {
			volume.HostPath.Path = j.hostDirectory(sidecar)
			volume.HostPath.Type = new(corev1.HostPathDirectoryOrCreate)
		}
		renamed[volume.Name] = j.freeVolumeName(volume.Name, index)
		volume.Name = renamed[volume.Name]
		j.volumes = append(j.volumes, volume)
	}
	container.VolumeMounts = slices.DeleteFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool { return trimmed(mount.Name) })
	for i := range container.VolumeMounts {
		container.VolumeMounts[i].Name = renamed[container.VolumeMounts[i].Name]
	}
	if isSupervised(&sidecar.Container, sidecar) {
		j.addNodeDirectory(container, path.Dir(j.hostDirectory(sidecar)), index)
	}
	j.containers = append(j.containers, *container)
	for _, secret := range sidecar.ImagePullSecrets {
		if !slices.Contains(j.pullSecrets, secret) && !slices.Contains(j.pod.Spec.ImagePullSecrets, secret) {
			j.pullSecrets = append(j.pullSecrets, secret)
		}
	}
	j.label(datav1alpha1.LabelSidecarDatasetName+name, sidecar.Dataset.Name)
	j.label(datav1alpha1.LabelSidecarDatasetNamespace+name, sidecar.Dataset.Namespace)
}

// addNodeDirectory lets a sidecar see the directory on the node that its pod's own directory is in, so that it can remove
// that. Mounts that other pods end there end for this one as well.
func (j *injection) addNodeDirectory(container *corev1.Container, directory string, index int) {
	volume := corev1.Volume{Name: j.freeVolumeName("fluid-pods", index), VolumeSource: corev1.VolumeSource{
		HostPath: &corev1.HostPathVolumeSource{Path: directory, Type: new(corev1.HostPathDirectoryOrCreate)}}}
	j.volumes = append(j.volumes, volume)
	container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: volume.Name, MountPath: nodeDirectory,
		MountPropagation: new(corev1.MountPropagationHostToContainer)})
}

func (j *injection) label(key, value string) {
	if j.labels == nil {
		j.labels = map[string]string{}
	}
	j.labels[key] = value
	j.labelKeys = append(j.labelKeys, key)
}

// freeVolumeName returns <name>-<index>, or the first of <name>-<index>-1, -2 … that the pod doesn't have.
func (j *injection) freeVolumeName(name string, index int) string {
	for attempt := 0; ; attempt++ {
		suffix := fmt.Sprintf("-%d", index)
		if attempt > 0 {
			suffix += fmt.Sprintf("-%d", attempt)
		}
		free := name
		if room := maxVolumeName - len(suffix); len(free) > room {
			free = free[:room]
		}
		free += suffix
		if !j.volumeNames[free] {
			j.volumeNames[free] = true
			return free
		}
	}
}

// maxVolumeName is the length of a DNS label, which a volume's name is.
const maxVolumeName = 63

// operations writes the patch. Every path in it exists or is made by an operation before.
func (j *injection) operations() operations {
	var o operations
	spec := &j.pod.Spec
	readOnly := map[string]bool{}
	concerned := map[string]bool{}
	for i, volume := range spec.Volumes {
		if directory, ok := j.hostPaths[i]; ok {
			// The API server refuses a volume without a name, and says so better than a patch for mounts that are null.
			concerned[volume.Name], readOnly[volume.Name] = volume.Name != "", volume.Claim.ReadOnly
			o.replace(fmt.Sprintf("/spec/volumes/%d", i), corev1.Volume{Name: volume.Name,
				VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: directory}}})
		}
	}
	j.pod.containers(func(pointer string, container *podContainer) {
		for i, mount := range container.VolumeMounts {
			if !concerned[mount.Name] {
				continue
			}
			at := fmt.Sprintf("%s/volumeMounts/%d", pointer, i)
			o.add(at+"/mountPropagation", corev1.MountPropagationHostToContainer)
			if readOnly[mount.Name] {
				o.add(at+"/readOnly", true)
			}
			if mount.RecursiveReadOnly == corev1.RecursiveReadOnlyIfPossible {
				o.replace(at+"/recursiveReadOnly", corev1.RecursiveReadOnlyDisabled)
			}
		}
	})
	appendAll(&o, "/spec/volumes", true, j.volumes)
	insertAll(&o, "/spec/initContainers", spec.InitContainers != nil, j.containers)
	appendAll(&o, "/spec/imagePullSecrets", spec.ImagePullSecrets != nil, j.pullSecrets)
	j.describe(&o)
	return o
}

// describe adds the labels and annotations by which Fluid, and this project, recognize what was done.
func (j *injection) describe(o *operations) {
	j.label(datav1alpha1.LabelInjectionDone, "true")
	j.label(datav1alpha1.LabelManagedBy, "fluid")
	o.addMembers("/metadata/labels", j.pod.Metadata.Labels != nil, j.labelKeys, j.labels)
	o.addMembers("/metadata/annotations", j.pod.Metadata.Annotations != nil,
		[]string{datav1alpha1.AnnotationDatasetsInUse, AnnotationInjectedBy},
		map[string]string{
			datav1alpha1.AnnotationDatasetsInUse: j.pod.datasetsInUse(j.datasets),
			AnnotationInjectedBy:                 reference.FieldManager,
		})
}
