package inject

import (
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject/scripts"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// write writes the patch. Every path in it exists or is made by an operation before.
func (j *injection) write() []byte {
	spec := &j.pod.Spec
	w := &patchWriter{buffer: make([]byte, 0, j.size()), prefix: appendPrefix(j.options.prefix)}
	for i := range spec.Volumes {
		if at, ok := j.claims[spec.Volumes[i].Claim]; ok && spec.Volumes[i].Claimed {
			w.replace("/spec/volumes/", number(i))
			j.served[at].writeData(w, spec.Volumes[i].Name, spec.Volumes[i].ReadOnly)
			w.end()
		}
	}
	j.pod.containers(func(list string, index int, container *podContainer) {
		for i := range container.Mounts {
			if use := j.use(container.Mounts[i].Name); use.isDataset() && !use.served {
				writeMount(w, list, index, i, &container.Mounts[i], use.readOnly)
			}
		}
		if list == containersPointer && j.pod.Metadata.Labels[LabelAppMountCheck] == "true" {
			j.writeAppHook(w, index, container)
		}
	})
	for _, i := range j.added {
		s := &j.served[i]
		w.appendAll("/spec/volumes", true, len(s.sidecar.volumes), func(v int) { j.writeVolume(w, s, v) })
	}
	j.writeContainers(w)
	j.writePullSecrets(w)
	if len(j.served) > 0 {
		j.writeMetadata(w)
	}
	return w.finish()
}

// appendPrefix makes a prefix part of a JSON string.
func appendPrefix(prefix string) string { return string(appendEscaped(nil, prefix)) }

// size is about how long the patch gets.
func (j *injection) size() int {
	size := 1024
	for _, i := range j.added {
		size += j.served[i].sidecar.size + 512
	}
	j.pod.containers(func(_ string, _ int, container *podContainer) {
		for i := range container.Mounts {
			if j.use(container.Mounts[i].Name).isDataset() {
				size += 256
			}
		}
	})
	return size
}

// writeData writes a volume that has a Dataset's data: where its FUSE client mounts on the node, or the node plugin does.
func (s *served) writeData(w *patchWriter, name string, readOnly bool) {
	w.text(`{"name":`)
	w.string(name)
	if s.sidecar.variant.Served {
		s.writeServed(w, readOnly)
		return
	}
	w.text(`,"hostPath":{"path":"`)
	w.buffer = appendEscaped(w.buffer, s.sidecar.dataBefore)
	w.buffer = appendEscaped(w.buffer, s.values.directory)
	w.buffer = appendEscaped(w.buffer, s.sidecar.dataAfter)
	w.text(`"}}`)
}

// writeServed writes what comes after the name of a volume that the node plugin mounts. If no container mounts it, there is
// no client, and kubelet doesn't ask for it.
func (s *served) writeServed(w *patchWriter, readOnly bool) {
	w.text(`,"csi":{"driver":"` + volume.Driver + `",`)
	if readOnly {
		w.text(`"readOnly":true,`)
	}
	w.text(`"volumeAttributes":{"` + volume.AttributeClient + `":`)
	w.string(s.values.container)
	w.text(`,"` + volume.AttributeRole + `":"` + volume.RoleData + `"`)
	if s.sidecar.subPath != "" {
		w.text(`,"` + volume.AttributeSubPath + `":`)
		w.string(s.sidecar.subPath)
	}
	w.text(`}}}`)
}

// writeVolume writes a volume of a sidecar. A claim of another Dataset is served like the pod's own.
func (j *injection) writeVolume(w *patchWriter, s *served, v int) {
	compiled := &s.sidecar.volumes[v]
	if at, nested := j.nested(compiled.claim); nested {
		j.served[at].writeData(w, s.values.volumes[v], compiled.readOnly)
		return
	}
	w.buffer = compiled.json.appendTo(w.buffer, &s.values)
}

// writeMount lets a mount of a Dataset's volume receive the FUSE client's mount. One that is Bidirectional does already.
func writeMount(w *patchWriter, list string, container, index int, mount *podMount, readOnly bool) {
	at := list + "/" + number(container) + "/volumeMounts/" + number(index)
	switch corev1.MountPropagationMode(mount.Propagation) {
	case corev1.MountPropagationHostToContainer, corev1.MountPropagationBidirectional:
	default:
		w.add(at, "/mountPropagation")
		w.string(string(corev1.MountPropagationHostToContainer))
		w.end()
	}
	if readOnly && !mount.ReadOnly {
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

// servedMountType is a part of the type of all mounts of the node plugin.
const servedMountType = "fuse"

// appMountTimeout is how many seconds a container's own check of its mounts may take, as with Fluid v1.0.8.
const appMountTimeout = "10"

// appHook begins the command of a container's own check of its mounts.
func appHook() []string { return []string{"sh", "-c", scripts.Await(), "await", appMountTimeout} }

// isAppHook reports whether a command is such a check, perhaps one that an earlier release wrote.
func isAppHook(command []string) bool {
	hook := appHook()
	return len(command) > len(hook) && slices.Equal(command[:2], hook[:2]) && slices.Equal(command[3:len(hook)], hook[3:])
}

// writeAppHook lets a container of the app check its mounts after it has started, unless it has a hook of its own.
func (j *injection) writeAppHook(w *patchWriter, index int, container *podContainer) {
	words := appHook()
	for i := range container.Mounts {
		if use := j.use(container.Mounts[i].Name); use.dataset >= 0 {
			words = append(words, path.Clean(container.Mounts[i].Path), j.served[use.dataset].sidecar.mountType, "")
		}
	}
	if len(words) == len(appHook()) || container.PostStart {
		return
	}
	at, before, after := containersPointer+"/"+number(index)+"/lifecycle", `{"postStart":`, "}"
	if container.Lifecycle {
		at, before, after = at+"/postStart", "", ""
	}
	w.add(at)
	w.text(before + `{"exec":{"command":`)
	for i, word := range words {
		w.text(separator(i, "["))
		w.string(word)
	}
	w.text("]}}" + after)
	w.end()
}

// writeContainers puts the sidecars before the other containers of their list.
func (j *injection) writeContainers(w *patchWriter) {
	list, present := initContainersPointer, j.pod.Spec.InitContainers != nil
	if len(j.added) > 0 && j.served[j.added[0]].sidecar.variant.Classic {
		list, present = containersPointer, j.pod.Spec.Containers != nil
	}
	w.insertAll(list, present, len(j.added), func(i int) {
		s := &j.served[j.added[i]]
		w.buffer = s.sidecar.container.of(&s.values).appendTo(w.buffer, &s.values)
	})
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
	if !j.pod.Metadata.Present {
		w.add("/metadata")
		w.text("{}")
		w.end()
	}
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
	metrics := false
	for i := range j.served {
		datasets[i] = j.served[i].sidecar.dataset.Name
		metrics = metrics || j.served[i].mounted && j.served[i].sidecar.metrics
	}
	annotations := make([]member, 0, 4)
	annotations = append(annotations, member{datav1alpha1.AnnotationDatasetsInUse, j.pod.datasetsInUse(datasets)})
	annotations = append(annotations, member{AnnotationDatasetVolumes, j.datasetVolumes()})
	annotations = append(annotations, member{AnnotationInjectedBy, reference.FieldManager})
	if _, ok := j.pod.Metadata.Annotations[annotationScrape]; metrics && !ok {
		annotations = append(annotations, member{annotationScrape, "true"})
	}
	w.addMembers("/metadata/annotations", j.pod.Metadata.Annotations != nil, annotations)
}

// annotationScrape on a pod lets Fluid's configuration of Prometheus find the metrics of its sidecars.
const annotationScrape = "prometheus.fuse.fluid.io/scrape"

// readOnlyMark after a volume's name in AnnotationDatasetVolumes says that its claim was used read-only.
const readOnlyMark = ":ro"

// datasetVolumes is the value of AnnotationDatasetVolumes.
func (j *injection) datasetVolumes() string {
	var names []string
	for i := range j.pod.Spec.Volumes {
		name := j.pod.Spec.Volumes[i].Name
		if use := j.use(name); name != "" && use.isDataset() {
			if use.readOnly {
				name += readOnlyMark
			}
			names = append(names, name)
		}
	}
	if len(names) == 1 {
		return names[0]
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}
