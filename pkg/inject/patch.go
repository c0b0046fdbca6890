package inject

import (
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// AnnotationInjectedBy on a pod says who injected its sidecars.
const AnnotationInjectedBy = "kubectl-fluid.dev/injected-by"

// containerNamePrefix and an index are the name of a sidecar, as Fluid has it since v0.9.0.
const containerNamePrefix = "fluid-fuse-"

// Options are what a patch depends on beside the pod and the sidecars.
type Options struct {
	// HostDirectory is the name of the pod's own directory below that of the FUSE client on the node. It must differ
	// from pod to pod: on a directory that two pods share their mounts are stacked, and the end of one ends the other's.
	HostDirectory string
}

// Patch returns the JSON patch that gives a pod its sidecars: for each claim the sidecar of its Dataset. The patch is
// nil if no claim of the pod has a sidecar. Findings say why a pod can't be patched; then the patch is nil too.
//
// The pod must not have been patched before (see Pod.Wants).
func Patch(pod *Pod, sidecars map[string]*Sidecar, options Options) ([]byte, reference.Findings) {
	j := injection{pod: pod, volumes: make(map[string]volumeUse, len(pod.Spec.Volumes)+8)}
	if options.HostDirectory != "" {
		j.directory = "/" + options.HostDirectory
	}
	j.findServed(sidecars)
	j.findMounts()
	if findings := j.refusals(); len(j.served) == 0 || len(findings) > 0 {
		return nil, findings
	}
	j.nameSidecars()
	return j.write(), nil
}

// injection collects what a pod gets.
type injection struct {
	pod       *Pod
	directory string
	// volumes has all volumes of the pod, and of its sidecars, by name.
	volumes map[string]volumeUse
	// served are the Datasets of the pod's claims, in the order of the claims' names; claims has their indexes.
	served []served
	claims map[string]int
	// added are the indexes of those that some container mounts, and so need a sidecar.
	added []int
}

// volumeUse says what a volume is: the claim of the Dataset served[dataset], or with -1 something else.
type volumeUse struct {
	dataset  int
	readOnly bool
}

// served is a Dataset that the pod uses.
type served struct {
	claim    string
	sidecar  *Sidecar
	mounted  bool
	obstacle string
	values   values
}

// findServed finds the Datasets of the pod's claims, and its volumes of them.
func (j *injection) findServed(sidecars map[string]*Sidecar) {
	for _, claim := range j.pod.Claims() {
		if sidecar := sidecars[claim]; sidecar != nil {
			j.served = append(j.served, served{claim: claim, sidecar: sidecar})
		}
	}
	j.claims = make(map[string]int, len(j.served))
	for i := range j.served {
		j.claims[j.served[i].claim] = i
	}
	for i := range j.pod.Spec.Volumes {
		volume := &j.pod.Spec.Volumes[i]
		use := volumeUse{dataset: -1}
		if at, ok := j.claims[volume.Claim]; ok && volume.Claimed {
			use = volumeUse{at, volume.ReadOnly}
		} else if before, ok := j.volumes[volume.Name]; ok {
			use = before // The API server refuses two volumes of one name, and says so better than a patch for one of them.
		}
		j.volumes[volume.Name] = use
	}
	// Nor does it take a volume without a name.
	if use, ok := j.volumes[""]; ok && use.dataset >= 0 {
		j.volumes[""] = volumeUse{dataset: -1}
	}
}

// dataset returns the Dataset whose volume has a name, or nil.
func (j *injection) dataset(volume string) (*served, bool) {
	if use, ok := j.volumes[volume]; ok && use.dataset >= 0 {
		return &j.served[use.dataset], use.readOnly
	}
	return nil, false
}

// findMounts finds out which Datasets are mounted, and what a sidecar can't serve.
func (j *injection) findMounts() {
	j.pod.containers(func(_ string, _ int, container *podContainer) {
		for i := range container.Mounts {
			if dataset, _ := j.dataset(container.Mounts[i].Name); dataset != nil {
				dataset.mounted = true
				if obstacle := container.obstacle(&container.Mounts[i]); obstacle != "" {
					dataset.obstacle = obstacle
				}
			}
		}
		for i := range container.Devices {
			if dataset, _ := j.dataset(container.Devices[i].Name); dataset != nil {
				dataset.obstacle = "container " + container.Name + " uses it as a raw block device"
			}
		}
	})
	for i := range j.served {
		if j.served[i].mounted && j.pod.Spec.OwnUsers {
			j.served[i].obstacle = "the pod has a user namespace of its own (hostUsers: false), out of which no mount is propagated"
		}
	}
}

// refusals says why the pod can't have its sidecars.
func (j *injection) refusals() reference.Findings {
	var findings reference.Findings
	for i := range j.served {
		if s := &j.served[i]; s.obstacle != "" {
			findings = append(findings, reference.NewFinding(reference.CodePodUnsupportedUsage,
				reference.Object{Kind: "Pod", Namespace: s.sidecar.dataset.Namespace, Name: j.pod.Name()},
				"a sidecar can't serve it the Dataset %s: %s", s.sidecar.dataset, s.obstacle))
		}
	}
	return findings
}

// nameSidecars gives the sidecars and their volumes names that are free in the pod.
func (j *injection) nameSidecars() {
	taken := j.takenIndexes()
	index := 0
	for i := range j.served {
		s := &j.served[i]
		if !s.mounted {
			continue
		}
		for taken[index] {
			index++
		}
		suffix := strconv.Itoa(index)
		s.values = values{container: containerNamePrefix + suffix, directory: j.directory, volumes: make([]string, len(s.sidecar.volumes))}
		for v := range s.sidecar.volumes {
			s.values.volumes[v] = j.freeVolumeName(s.sidecar.volumes[v].name, suffix)
		}
		j.added = append(j.added, i)
		index++
	}
}

// takenIndexes are those of the names of sidecars that containers of the pod have.
func (j *injection) takenIndexes() map[int]bool {
	var taken map[int]bool
	j.pod.containers(func(_ string, _ int, container *podContainer) {
		suffix, ok := strings.CutPrefix(container.Name, containerNamePrefix)
		if index, err := strconv.Atoi(suffix); ok && err == nil && suffix == strconv.Itoa(index) {
			if taken == nil {
				taken = map[int]bool{}
			}
			taken[index] = true
		}
	})
	return taken
}

// maxVolumeName is the length of a DNS label, which a volume's name is.
const maxVolumeName = 63

// freeVolumeName returns <name>-<index>, or the first of <name>-<index>-1, -2 … that the pod doesn't have.
func (j *injection) freeVolumeName(name, index string) string {
	for attempt := 0; ; attempt++ {
		suffix := "-" + index
		if attempt > 0 {
			suffix += "-" + strconv.Itoa(attempt)
		}
		free := name
		if room := maxVolumeName - len(suffix); len(free) > room {
			free = free[:room]
		}
		free += suffix
		if _, taken := j.volumes[free]; !taken {
			j.volumes[free] = volumeUse{dataset: -1}
			return free
		}
	}
}

// write writes the patch. Every path in it exists or is made by an operation before.
func (j *injection) write() []byte {
	spec := &j.pod.Spec
	w := &patchWriter{buffer: make([]byte, 0, j.size())}
	for i := range spec.Volumes {
		if volume := &spec.Volumes[i]; volume.Claimed {
			j.writeData(w, i, volume)
		}
	}
	j.pod.containers(func(list string, index int, container *podContainer) {
		for i := range container.Mounts {
			if dataset, readOnly := j.dataset(container.Mounts[i].Name); dataset != nil {
				writeMount(w, list, index, i, &container.Mounts[i], readOnly)
			}
		}
	})
	for _, i := range j.added {
		s := &j.served[i]
		w.appendAll("/spec/volumes", true, len(s.sidecar.volumes), func(v int) {
			w.buffer = s.sidecar.volumes[v].json.appendTo(w.buffer, &s.values)
		})
	}
	w.insertAll(initContainersPointer, spec.InitContainers != nil, len(j.added), func(i int) {
		s := &j.served[j.added[i]]
		w.buffer = s.sidecar.container.appendTo(w.buffer, &s.values)
	})
	j.writePullSecrets(w)
	j.writeMetadata(w)
	return w.finish()
}

// size is about how long the patch gets.
func (j *injection) size() int {
	size := 2048
	for _, i := range j.added {
		size += j.served[i].sidecar.size + 512
	}
	j.pod.containers(func(_ string, _ int, container *podContainer) {
		for i := range container.Mounts {
			if dataset, _ := j.dataset(container.Mounts[i].Name); dataset != nil {
				size += 256
			}
		}
	})
	return size
}

// writeData makes a volume the directory on the node where the pod's FUSE client has its data.
func (j *injection) writeData(w *patchWriter, index int, volume *podVolume) {
	at, ok := j.claims[volume.Claim]
	if !ok {
		return
	}
	sidecar := j.served[at].sidecar
	w.replace("/spec/volumes/", number(index))
	w.text(`{"name":`)
	w.string(volume.Name)
	w.text(`,"hostPath":{"path":"`)
	w.buffer = appendEscaped(w.buffer, sidecar.dataBefore)
	w.buffer = appendEscaped(w.buffer, j.directory)
	w.buffer = appendEscaped(w.buffer, sidecar.dataAfter)
	w.text(`"}}`)
	w.end()
}

// writeMount lets a mount of a Dataset's volume receive the FUSE client's mount.
func writeMount(w *patchWriter, list string, container, index int, mount *podMount, readOnly bool) {
	at := list + "/" + number(container) + "/volumeMounts/" + number(index)
	w.add(at, "/mountPropagation")
	w.string(string(corev1.MountPropagationHostToContainer))
	w.end()
	if readOnly {
		w.add(at, "/readOnly")
		w.text("true")
		w.end()
	}
	if corev1.RecursiveReadOnlyMode(mount.RecursiveReadOnly) == corev1.RecursiveReadOnlyIfPossible {
		w.replace(at, "/recursiveReadOnly")
		w.string(string(corev1.RecursiveReadOnlyDisabled))
		w.end()
	}
}

// writePullSecrets adds the sidecars' pull secrets that the pod doesn't have.
func (j *injection) writePullSecrets(w *patchWriter) {
	var missing []string
	present := map[string]bool{}
	for _, name := range j.pod.Spec.ImagePullSecrets {
		present[name] = true
	}
	for _, i := range j.added {
		for _, name := range j.served[i].sidecar.pullSecrets {
			if !present[name] {
				missing = append(missing, name)
				present[name] = true
			}
		}
	}
	w.appendAll("/spec/imagePullSecrets", j.pod.Spec.ImagePullSecrets != nil, len(missing), func(i int) {
		w.text(`{"name":`)
		w.string(missing[i])
		w.text(`}`)
	})
}

// writeMetadata adds the labels and annotations by which Fluid, and this project, recognize what was done.
func (j *injection) writeMetadata(w *patchWriter) {
	labels := make([]member, 0, 2*len(j.added)+2)
	for _, i := range j.added {
		s := &j.served[i]
		labels = append(labels,
			member{datav1alpha1.LabelSidecarDatasetName + s.values.container, s.sidecar.dataset.Name},
			member{datav1alpha1.LabelSidecarDatasetNamespace + s.values.container, s.sidecar.dataset.Namespace})
	}
	labels = append(labels, member{datav1alpha1.LabelInjectionDone, "true"}, member{datav1alpha1.LabelManagedBy, "fluid"})
	w.addMembers("/metadata/labels", j.pod.Metadata.Labels != nil, labels)

	datasets := make([]string, len(j.served))
	for i := range j.served {
		datasets[i] = j.served[i].sidecar.dataset.Name
	}
	w.addMembers("/metadata/annotations", j.pod.Metadata.Annotations != nil, []member{
		{datav1alpha1.AnnotationDatasetsInUse, j.pod.datasetsInUse(datasets)},
		{AnnotationInjectedBy, reference.FieldManager},
	})
}
