package reference

import (
	"path"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Mirror is a ConfigMap or Secret of the physical's namespace that the reference's namespace needs a copy of.
type Mirror struct {
	Original finding.Object
	Target   finding.Object
	// Optional mirrors needn't have an original.
	Optional bool
}

// Sidecar is the FUSE container that serves a Dataset in pods of its namespace, with everything that it needs.
type Sidecar struct {
	// Dataset is the Dataset whose claim pods mount.
	Dataset types.NamespacedName
	// Container is the FUSE container as it is in the physical's DaemonSet, with references to mirrors.
	Container corev1.Container
	// Volumes are the volumes that the container mounts.
	Volumes []corev1.Volume
	// ImagePullSecrets are those of the FUSE pods, as mirrors.
	ImagePullSecrets []corev1.LocalObjectReference

	// MountVolume is the name of the hostPath volume in which the FUSE client mounts.
	MountVolume string
	// MountPath is where the FUSE client mounts within its container.
	MountPath string
	// MountDirectory is MountPath's directory relative to the directory of MountVolume on the node.
	MountDirectory string
	// MountType is a part of what /proc/self/mountinfo shows of the mount after its separator.
	MountType string
	// SubPath is the part of the mount that pods see; empty for all of it.
	SubPath string
	// MountTimeout is how long the mount may take, in whole seconds.
	MountTimeout time.Duration

	// Runtime is the type of the runtime that serves the Dataset.
	Runtime string
	// Metrics says that the runtime wants sidecars to be scraped for metrics.
	Metrics bool
	// Masters is what the names of the runtime's masters begin with, before their number, and MastersNamespace where they
	// are, if the client's configuration has their addresses without a namespace and pods in another need it. Otherwise
	// both are empty.
	Masters, MastersNamespace string

	// Client is how the FUSE client runs without privileges; nil if nobody knows.
	Client *Client
	// Unprivileged is what is to be said of the sidecar where it has no privileges; findings that block keep pods from it.
	Unprivileged finding.List
}

// AnnotationMountTimeout on the pod template of FUSE pods (the podMetadata of a runtime's fuse) says how long their mount
// may take, as Go writes durations: 5m.
const AnnotationMountTimeout = "kubectl-fluid.dev/mount-timeout"

// defaultMountTimeout is how long a mount may take where nobody says. Fluid v1.0.8 waits 30 s for it and 30 s for its
// sub-path.
const defaultMountTimeout = 2 * time.Minute

// newSidecar makes the sidecar of a Dataset from the physical's FUSE pod template. For a physical Dataset used in its
// own namespace, dataset and physical are the same, and nothing needs a mirror. The mirrors are those that the
// sidecar names. Findings say why it can't be made; then the sidecar is nil.
func newSidecar(w *World, source Source) (*Sidecar, []Mirror, finding.List) {
	var findings finding.List
	physical := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: source.Namespace, Name: source.Name}
	checkPhysical(&findings, w, physical)
	if len(findings) > 0 {
		return nil, nil, findings
	}
	runtime, known := RuntimeOfDataset(w.Physical)
	switch {
	case !known:
		findings.Add(finding.CodeRuntimeNoSidecar, physical, "its status.runtimes names the types %q, none of which is known here", runtimeTypes(w.Physical))
	case runtime.NoSidecar != "":
		findings.Add(finding.CodeRuntimeNoSidecar, physical, "its runtime is of the kind %s: %s", runtime.Kind, runtime.NoSidecar)
	default:
		requireFuse(&findings, w, runtime, source)
	}
	requireVolume(&findings, w, source)
	if len(findings) > 0 {
		return nil, nil, findings
	}

	template := w.Fuse.Spec.Template.Spec.DeepCopy()
	fuse := finding.Object{Kind: kindDaemonSet, Namespace: source.Namespace, Name: w.Fuse.Name}
	if len(template.Containers) == 0 {
		findings.Add(finding.CodeTemplateUnusable, fuse, "its pod template has no container")
		return nil, nil, findings
	}
	sidecar := &Sidecar{
		Dataset:          w.Key(),
		Container:        template.Containers[0],
		Volumes:          mountedVolumes(&template.Containers[0], template.Volumes),
		ImagePullSecrets: template.ImagePullSecrets,
		MountVolume:      runtime.MountVolume,
		SubPath:          source.SubPath,
		Runtime:          runtime.Type,
		Metrics:          scrapesSidecars(w.Runtime),
	}
	sidecar.findTimeout(&findings, fuse, w.Fuse.Spec.Template.Annotations)
	sidecar.findMasters(w, source)
	checkContainer(&findings, fuse, &sidecar.Container)
	inheritUser(&sidecar.Container, template.SecurityContext)
	sidecar.locateMount(&findings, fuse, runtime, w.PhysicalVolume.Spec.CSI.VolumeAttributes)
	sidecar.findClient(&findings, fuse, w.Fuse.Spec.Template.Annotations)
	mirrors := sidecar.rename(&findings, fuse, w.MirrorNames, source)
	if len(findings) > 0 {
		return nil, nil, findings
	}
	return sidecar, mirrors, nil
}

// checkPhysical adds what keeps the physical Dataset from having a sidecar at all.
func checkPhysical(findings *finding.List, w *World, physical finding.Object) {
	switch {
	case w.Physical == nil:
		if w.Unread(physical) == "" {
			findings.Add(finding.CodePhysicalMissing, physical, "it doesn't exist")
		} else {
			findings.Add(finding.CodeUnread, physical, "it couldn't be read: %s", w.Unread(physical))
		}
	case IsReference(w.Physical):
		findings.Add(finding.CodeChain, physical, "it is itself a reference, to %s", w.Physical.Spec.Mounts[0].MountPoint)
	case w.Physical.DeletionTimestamp != nil && !recorded(w):
		findings.Add(finding.CodePhysicalDeleted, physical, "it is being deleted")
	case !bound(w.Physical):
		findings.Add(finding.CodePhysicalUnbound, physical, "its phase is %q and it has no runtime that is ready", w.Physical.Status.Phase)
	}
}

// bound reports whether a Dataset has been bound to a runtime. Fluid's references need no more: while the physical is
// Updating or DataMigrating they mirror that.
func bound(dataset *datav1alpha1.Dataset) bool {
	switch dataset.Status.Phase {
	case datav1alpha1.NonePhase, datav1alpha1.NotBoundPhase, datav1alpha1.PendingPhase:
		return false
	}
	return len(dataset.Status.Runtimes) > 0
}

// requireFuse adds a finding if the DaemonSet isn't there that the sidecar is made from.
func requireFuse(findings *finding.List, w *World, runtime Runtime, source Source) {
	fuse := finding.Object{Kind: kindDaemonSet, Namespace: source.Namespace, Name: runtime.FuseDaemonSet(source.Name)}
	switch reason := w.Unread(fuse); {
	case reason != "":
		findings.Add(finding.CodeUnread, fuse, "it couldn't be read: %s", reason)
	case w.Fuse == nil:
		findings.Add(finding.CodeFuseMissing, fuse, "it doesn't exist, and the sidecar is made from it")
	}
}

// requireVolume adds a finding if the physical's volume isn't there, or isn't Fluid's.
func requireVolume(findings *finding.List, w *World, source Source) {
	volume := finding.Object{Kind: kindVolume, Namespace: "", Name: VolumeName(source.Key())}
	switch reason := w.Unread(volume); {
	case reason != "":
		findings.Add(finding.CodeUnread, volume, "it couldn't be read: %s", reason)
	case w.PhysicalVolume == nil:
		findings.Add(finding.CodeVolumeMissing, volume, "it doesn't exist, and it says where the FUSE client mounts")
	case w.PhysicalVolume.Spec.CSI == nil:
		findings.Add(finding.CodeTemplateUnusable, volume, "it isn't a volume of Fluid's: it has no CSI source")
	}
}

func runtimeTypes(dataset *datav1alpha1.Dataset) []string {
	var types []string
	for _, r := range dataset.Status.Runtimes {
		types = append(types, r.Type)
	}
	return types
}

// mountedVolumes returns the volumes that a container mounts, in the pod's order. Fluid v1.0.8 takes the same part of
// the FUSE pod and drops all else.
func mountedVolumes(container *corev1.Container, volumes []corev1.Volume) []corev1.Volume {
	mounted := map[string]bool{}
	for _, mount := range container.VolumeMounts {
		mounted[mount.Name] = true
	}
	for _, device := range container.VolumeDevices {
		mounted[device.Name] = true
	}
	var kept []corev1.Volume
	for _, volume := range volumes {
		if mounted[volume.Name] {
			kept = append(kept, volume)
		}
	}
	return kept
}

// checkContainer finds what makes a container invalid in another pod: it refers to a part of its own pod that doesn't
// come along.
func checkContainer(findings *finding.List, fuse finding.Object, container *corev1.Container) {
	if len(container.Resources.Claims) > 0 {
		findings.Add(finding.CodeTemplateUnusable, fuse, "its first container has the resource claim %s of its pod", container.Resources.Claims[0].Name)
	}
	for i := range container.Env {
		if from := container.Env[i].ValueFrom; from != nil && from.FileKeyRef != nil {
			findings.Add(finding.CodeTemplateUnusable, fuse, "its first container has its variable %s from a file that another container of its pod writes", container.Env[i].Name)
		}
	}
}

// inheritUser gives the container the user and group that the FUSE pod has as a whole: in another pod it would get that
// pod's. Fluid v1.0.8 loses them, which Jindo's pods have.
func inheritUser(container *corev1.Container, pod *corev1.PodSecurityContext) {
	if pod == nil || (pod.RunAsUser == nil && pod.RunAsGroup == nil) {
		return
	}
	if container.SecurityContext == nil {
		container.SecurityContext = &corev1.SecurityContext{}
	}
	if container.SecurityContext.RunAsUser == nil {
		container.SecurityContext.RunAsUser = pod.RunAsUser
	}
	if container.SecurityContext.RunAsGroup == nil {
		container.SecurityContext.RunAsGroup = pod.RunAsGroup
	}
}

// locateMount finds out where the FUSE client mounts within its container: the volume's fluid_path is a path on the
// node, the mount volume's hostPath is the part of it that the container sees at its mountPath.
func (s *Sidecar) locateMount(findings *finding.List, fuse finding.Object, runtime Runtime, attributes map[string]string) {
	s.MountType = attributes[datav1alpha1.VolumeAttributeMountType]
	if shown := runtime.MountTypes[s.MountType]; shown != "" {
		s.MountType = shown
	}
	hostPath := ""
	for _, volume := range s.Volumes {
		if volume.Name == s.MountVolume && volume.HostPath != nil {
			hostPath = path.Clean(volume.HostPath.Path)
		}
	}
	mountPath := ""
	for _, mount := range s.Container.VolumeMounts {
		if mount.Name == s.MountVolume && mount.SubPath == "" {
			mountPath = path.Clean(mount.MountPath)
		}
	}
	if hostPath == "" || mountPath == "" {
		findings.Add(finding.CodeTemplateUnusable, fuse, "its first container doesn't mount a hostPath volume %s", s.MountVolume)
		return
	}
	fluidPath := path.Clean(attributes[datav1alpha1.VolumeAttributePath])
	if fluidPath != hostPath && !strings.HasPrefix(fluidPath, hostPath+"/") {
		findings.Add(finding.CodeTemplateUnusable, fuse, "the FUSE client mounts at %s, which isn't below its volume %s at %s",
			fluidPath, s.MountVolume, hostPath)
		return
	}
	s.MountDirectory = strings.TrimPrefix(strings.TrimPrefix(fluidPath, hostPath), "/")
	s.MountPath = path.Join(mountPath, s.MountDirectory)
	// The kernel writes these otherwise in /proc/self/mountinfo (seq_path_root), so the mount would never be found.
	if strings.ContainsAny(s.MountPath, " \t\n\\") {
		findings.Add(finding.CodeTemplateUnusable, fuse, "the FUSE client mounts at %q: the path must have no blanks and backslashes", s.MountPath)
	}
}

// findTimeout reads how long the mount may take: from the annotation, or from the container's own startup probe.
func (s *Sidecar) findTimeout(findings *finding.List, fuse finding.Object, annotations map[string]string) {
	s.MountTimeout = defaultMountTimeout
	if probe := s.Container.StartupProbe; probe != nil && probe.FailureThreshold > 0 && probe.PeriodSeconds > 0 {
		s.MountTimeout = time.Duration(probe.InitialDelaySeconds+probe.FailureThreshold*probe.PeriodSeconds) * time.Second
	}
	if text, ok := annotations[AnnotationMountTimeout]; ok {
		timeout, err := time.ParseDuration(text)
		if err != nil || timeout < time.Second || timeout > 24*time.Hour {
			findings.Add(finding.CodeTemplateUnusable, fuse, "its pod template's annotation %s is %q: it must be a duration of a second or more, and at most a day", AnnotationMountTimeout, text)
			return
		}
		s.MountTimeout = timeout.Truncate(time.Second)
	}
}

// findMasters finds out whether the client needs help to find its masters: Alluxio's chart writes the addresses of
// several masters (embedded journal) without their namespace.
func (s *Sidecar) findMasters(w *World, source Source) {
	if s.Runtime != AlluxioType || s.Dataset.Namespace == source.Namespace {
		return
	}
	for _, r := range w.Physical.Status.Runtimes {
		if r.Category == datav1alpha1.AccelerateCategory && r.MasterReplicas > 1 {
			s.Masters, s.MastersNamespace = source.Name+"-master-", source.Namespace
		}
	}
}

// scrapesSidecars reports whether a runtime wants sidecars to be scraped for metrics: a JindoRuntime may, at
// spec.fuse.metrics.scrapeTarget (Fluid v1.0.8).
func scrapesSidecars(runtime *unstructured.Unstructured) bool {
	if runtime == nil {
		return false
	}
	target, _, err := unstructured.NestedString(runtime.Object, "spec", "fuse", "metrics", "scrapeTarget")
	return err == nil && (target == "All" || target == "Sidecar")
}

// rename points the sidecar's references to mirrors and returns these. In the physical's own namespace every name stays.
func (s *Sidecar) rename(findings *finding.List, fuse finding.Object, names MirrorNames, source Source) []Mirror {
	if s.Dataset.Namespace == source.Namespace {
		return nil
	}
	var mirrors []Mirror
	index := map[finding.Object]int{}
	for _, use := range uses(&s.Container, s.Volumes, s.ImagePullSecrets) {
		if !use.mirrorable() {
			findings.Add(finding.CodeTemplateClaim, fuse, "its FUSE container uses the %s %s/%s", use.kind, source.Namespace, *use.name)
			continue
		}
		from := finding.Object{Kind: use.kind, Namespace: source.Namespace, Name: *use.name}
		to := finding.Object{Kind: use.kind, Namespace: s.Dataset.Namespace, Name: mirrorName(names, s.Dataset, from)}
		*use.name = to.Name
		if i, seen := index[from]; seen {
			mirrors[i].Optional = mirrors[i].Optional && use.optional
			continue
		}
		index[from] = len(mirrors)
		mirrors = append(mirrors, Mirror{Original: from, Target: to, Optional: use.optional})
	}
	return mirrors
}
