package inject

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// AnnotationInjectedBy on a pod says who injected its sidecars.
const AnnotationInjectedBy = "kubectl-fluid.dev/injected-by"

// AnnotationDatasetVolumes on a pod lists the volumes that were claims of Datasets, separated by commas; :ro after a name
// says that the claim was used read-only. A container that another webhook adds later may mount them too.
const AnnotationDatasetVolumes = "kubectl-fluid.dev/dataset-volumes"

// Options are what a patch depends on beside the pod and the sidecars.
type Options struct {
	// HostDirectory is the name of the pod's own directory below that of the FUSE client on the node. It must differ
	// from pod to pod: on a directory that two pods share their mounts are stacked. Empty stands for the directory that
	// Fluid's own FUSE pods have. A pod that asks for that one gets it anyway.
	HostDirectory string

	// subject is what findings are about, if it isn't the pod, and prefix is the pod's JSON pointer in its document.
	subject finding.Object
	prefix  string
}

// Patch returns the JSON patch that gives a pod its sidecars: for each claim the sidecar of its Dataset, and so on for the
// claims of sidecars. The patch is nil if the pod needs nothing, also because it has it already. Findings that block say
// why a pod can't be patched; then the patch is nil too. Other findings are worth telling.
func Patch(pod *Pod, sidecars map[string]*Sidecar, options Options) ([]byte, finding.List) {
	j := injection{pod: pod, options: options, volumes: make(map[string]volumeUse, len(pod.Spec.Volumes)+8)}
	if options.HostDirectory != "" && !pod.fixedDirectory() {
		j.directory = "/" + options.HostDirectory
	}
	j.findServed(sidecars)
	j.findVolumes()
	j.findMounts()
	if j.blocked {
		return nil, j.findings
	}
	j.nameSidecars()
	return j.write(), j.findings
}

// injection collects what a pod gets.
type injection struct {
	pod       *Pod
	options   Options
	directory string
	// volumes has all volumes of the pod, and of its sidecars, by name.
	volumes map[string]volumeUse
	// served are the Datasets of the pod's claims, each after those of its sidecar's claims, which are of the same name;
	// claims has their indexes.
	served []served
	claims map[string]int
	// added are the indexes of those that some container mounts, and so need a sidecar.
	added    []int
	findings finding.List
	blocked  bool
}

// volumeUse says what a volume is: the claim of the Dataset served[dataset]; or with -1 something else, which may have
// been a Dataset's claim before.
type volumeUse struct {
	dataset  int
	injected bool
	readOnly bool
	// served says that the node plugin mounts the volume, so that its mounts need nothing.
	served bool
}

// use says what the volume of a name is; there may be none.
func (j *injection) use(volume string) volumeUse {
	if use, ok := j.volumes[volume]; ok {
		return use
	}
	return volumeUse{dataset: -1}
}

func (u volumeUse) isDataset() bool { return u.dataset >= 0 || u.injected }

// served is a Dataset that the pod uses, by one claim or several.
type served struct {
	sidecar  *Sidecar
	mounted  bool
	obstacle string
	// written says that the Dataset is mounted by a volume that isn't read-only.
	written bool
	values  values
}

// find adds a finding about the pod.
func (j *injection) find(code finding.Code, format string, args ...any) {
	subject := j.options.subject
	if subject.Kind == "" {
		subject = finding.Object{Kind: "Pod", Namespace: j.pod.Metadata.Namespace, Name: j.pod.Name()}
		if len(j.served) > 0 {
			subject.Namespace = j.served[0].sidecar.dataset.Namespace
		}
	}
	f := finding.New(code, subject, format, args...)
	j.findings = append(j.findings, f)
	j.blocked = j.blocked || f.Severity.Blocks()
}

// maxNested is how many Datasets may be served by each other's sidecars, one by one.
const maxNested = 8

// findServed finds the Datasets of the pod's claims, and those of their sidecars.
func (j *injection) findServed(sidecars map[string]*Sidecar) {
	claims := j.pod.Claims()
	j.claims = make(map[string]int, len(claims))
	for _, claim := range claims {
		j.serve(claim, sidecars, nil)
	}
}

// serve adds the Dataset of a claim after those that its sidecar needs. The claims above need it.
func (j *injection) serve(claim string, sidecars map[string]*Sidecar, above []string) {
	sidecar := sidecars[claim]
	if sidecar == nil || j.blocked || len(above) > 0 && sidecar.wraps(claim) {
		return
	}
	if slices.Contains(above, claim) || len(above) >= maxNested {
		j.find(finding.CodeNestedTooDeep, "the sidecars of these Datasets need each other: %s", strings.Join(append(above, claim), ", "))
		return
	}
	if _, done := j.claims[claim]; done {
		return
	}
	if at := slices.IndexFunc(j.served, func(s served) bool { return s.sidecar.dataset == sidecar.dataset }); at >= 0 {
		j.claims[claim] = at
		return
	}
	for i := range sidecar.volumes {
		if needed := sidecar.volumes[i].claim; needed != "" {
			j.serve(needed, sidecars, append(above, claim))
		}
	}
	j.claims[claim] = len(j.served)
	j.served = append(j.served, served{sidecar: sidecar})
}

// nested returns the index of the Dataset that a sidecar's claim is; false if it is none.
func (j *injection) nested(claim string) (int, bool) {
	at, ok := j.claims[claim]
	return at, ok && claim != "" && !j.served[at].sidecar.wraps(claim)
}

// findVolumes finds out what the pod's volumes are.
func (j *injection) findVolumes() {
	injected := j.pod.injectedVolumes()
	for i := range j.pod.Spec.Volumes {
		volume := &j.pod.Spec.Volumes[i]
		use := volumeUse{dataset: -1}
		readOnly, before := injected[volume.Name]
		if at, ok := j.claims[volume.Claim]; ok && volume.Claimed {
			use = volumeUse{dataset: at, readOnly: volume.ReadOnly, served: j.served[at].sidecar.variant.Served}
		} else if before {
			use = volumeUse{dataset: -1, injected: true, readOnly: readOnly, served: volume.Served}
		} else if other, ok := j.volumes[volume.Name]; ok {
			use = other // The API server refuses two volumes of one name, and says so better than a patch for one of them.
		}
		j.volumes[volume.Name] = use
	}
	// Nor does it take a volume without a name.
	if _, ok := j.volumes[""]; ok {
		j.volumes[""] = volumeUse{dataset: -1}
	}
}

// findMounts finds out which Datasets are mounted, and what a sidecar can't serve.
func (j *injection) findMounts() {
	j.pod.containers(func(list string, _ int, container *podContainer) {
		for i := range container.Mounts {
			mount := &container.Mounts[i]
			if use := j.use(mount.Name); use.isDataset() {
				j.findMount(list, container, mount, use)
			}
			j.reserve(mount.Name)
		}
		for i := range container.Devices {
			if use := j.use(container.Devices[i].Name); use.dataset >= 0 {
				j.served[use.dataset].obstacle = "container " + container.Name + " uses it as a raw block device"
			}
			j.reserve(container.Devices[i].Name)
		}
	})
	for i := len(j.served) - 1; i >= 0; i-- {
		s := &j.served[i]
		if !s.mounted {
			continue
		}
		if obstacle := j.pod.obstacle(s.sidecar.variant.Served); obstacle != "" {
			s.obstacle = obstacle
		}
		for v := range s.sidecar.volumes {
			volume := &s.sidecar.volumes[v]
			if at, nested := j.nested(volume.claim); nested {
				j.served[at].mounted = true
				j.served[at].written = j.served[at].written || !volume.readOnly
			}
		}
	}
	for i := range j.served {
		s := &j.served[i]
		if s.obstacle != "" {
			j.find(finding.CodePodUnsupportedUsage, "a sidecar can't serve it the Dataset %s: %s", s.sidecar.dataset, s.obstacle)
		}
		if s.mounted {
			j.findings = append(j.findings, s.sidecar.findings...)
			j.blocked = j.blocked || s.sidecar.findings.Blocked()
		}
	}
	j.findSurprises()
}

// reserve keeps a name from the sidecars' volumes that a container uses and no volume has: whoever made the pod could
// guess their names, and get what is meant for sidecars alone.
func (j *injection) reserve(name string) {
	if _, known := j.volumes[name]; !known {
		j.volumes[name] = volumeUse{dataset: -1}
	}
}

// findMount looks at a mount of a Dataset's volume.
func (j *injection) findMount(list string, container *podContainer, mount *podMount, use volumeUse) {
	if corev1.MountPropagationMode(mount.Propagation) == corev1.MountPropagationNone && !use.served {
		j.find(finding.CodePropagationReplaced, "container %s mounts the volume %s with mountPropagation None", container.Name, mount.Name)
	}
	if use.dataset < 0 {
		return
	}
	s := &j.served[use.dataset]
	s.mounted, s.written = true, s.written || !use.readOnly
	if obstacle := container.obstacle(mount); obstacle != "" && !use.served {
		s.obstacle = obstacle
	}
	if list == initContainersPointer && s.sidecar.variant.Classic {
		j.find(finding.CodeInitContainerReads, "its init container %s mounts the volume %s", container.Name, mount.Name)
	}
}

// shortGracePeriod is a terminationGracePeriodSeconds in which kubelet may kill a sidecar at once: it gives containers
// at least two seconds only if the pod does.
const shortGracePeriod = 2

// findSurprises says what works otherwise than it may seem.
func (j *injection) findSurprises() {
	for i := range j.served {
		s := &j.served[i]
		if !s.mounted {
			continue
		}
		if policy := j.pod.Spec.RestartPolicy; s.sidecar.variant.Classic && policy != "" && policy != string(corev1.RestartPolicyAlways) {
			j.find(finding.CodeClassicKeepsRunning, "its restartPolicy is %s, and its sidecars are classic", policy)
		}
		if grace := j.pod.Spec.GracePeriod; grace >= 0 && grace < shortGracePeriod {
			j.find(finding.CodeGraceShort, "its terminationGracePeriodSeconds is %d", grace)
		}
		return
	}
}

// nameSidecars gives the sidecars and their volumes names that are free in the pod.
func (j *injection) nameSidecars() {
	taken, token := j.takenIndexes(), j.pod.tokenVolume()
	index := 0
	for i := range j.served {
		s := &j.served[i]
		s.values.directory = j.directoryOf(i)
		if !s.mounted {
			continue
		}
		for taken[index] {
			index++
		}
		suffix := strconv.Itoa(index)
		s.values.container, s.values.volumes = ContainerNamePrefix+suffix, make([]string, len(s.sidecar.volumes))
		if s.sidecar.variant.Served {
			s.values.ownUser = j.pod.Spec.User > 0
			s.values.options = s.sidecar.readOnlyOptions
			if s.written {
				s.values.options = s.sidecar.readWriteOptions
			}
		} else {
			s.values.token = token
		}
		for v := range s.sidecar.volumes {
			s.values.volumes[v] = j.freeVolumeName(s.sidecar.volumes[v].name, suffix)
		}
		j.added = append(j.added, i)
		index++
	}
}

// directoryOf returns the directory on the node of the sidecar of a Dataset that is served. References to parts of one
// Dataset have one each: in one directory their sidecars would mount one over the other.
func (j *injection) directoryOf(at int) string {
	sidecar, others := j.served[at].sidecar, 0
	for i := range at {
		if j.served[i].sidecar.dataBefore == sidecar.dataBefore {
			others++
		}
	}
	switch {
	case sidecar.variant.Served:
		return ""
	case sidecar.variant.Unprivileged:
		return "" // Whatever serves it on the node knows Fluid's own directory.
	case others == 0 || j.directory == "":
		return j.directory
	}
	return j.directory + "-" + strconv.Itoa(others)
}

// takenIndexes are those of the names of sidecars that containers of the pod have.
func (j *injection) takenIndexes() map[int]bool {
	var taken map[int]bool
	j.pod.containers(func(_ string, _ int, container *podContainer) {
		suffix, ok := strings.CutPrefix(container.Name, ContainerNamePrefix)
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
