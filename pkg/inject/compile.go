package inject

import (
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Variant is how a FUSE container becomes a sidecar, as far as that differs from pod to pod or from server to server.
// Variants can be compared.
type Variant struct {
	// Classic makes the sidecar the first of the ordinary containers; otherwise it is a native sidecar.
	Classic bool
	// SelfHealing lets a sidecar that crashed restart all containers, so that the app gets the new mount. The server
	// must have ContainerRestartRules with RestartAllContainers (on by default from Kubernetes 1.36).
	SelfHealing bool
	// Unprivileged takes the sidecar's rights on the node. The node has to have the mounts of FUSE clients appear where
	// the Dataset's volume says, and FUSE devices in containers.
	Unprivileged bool
	// CacheVolumes keeps the volumes of the FUSE pod that are caches on the node.
	CacheVolumes bool
	// Unchecked starts the app without a look at the mount.
	Unchecked bool
	// Shared says that other pods of the node may mount at the same place.
	Shared bool
	// Served takes all rights of the sidecar, on any node: the node plugin mounts, and the sidecar only serves. CacheVolumes,
	// Shared and Unprivileged have no meaning then.
	Served bool
	// User is who a sidecar is that is only Served, where neither its FUSE pods nor its pod say; NoUser for its image's.
	User int64
}

// Sidecar is a reference.Sidecar made ready for patches: JSON with slots for what differs from pod to pod. It is never
// changed, and serves any number of pods at once.
type Sidecar struct {
	dataset     types.NamespacedName
	variant     Variant
	container   compiledContainer
	volumes     []compiledVolume
	pullSecrets []string
	mountType   string
	metrics     bool
	// What pods see is on the node at dataBefore, the pod's own directory, and dataAfter.
	dataBefore, dataAfter string
	// subPath is the part of the client's file system that pods see, and options are the kernel's for it, where the sidecar
	// is only Served: when a container may write, and when none may.
	subPath                           string
	readWriteOptions, readOnlyOptions string
	// findings are worth telling of the sidecar; if they block there is nothing else.
	findings finding.List
	size     int
}

// wraps reports whether a claim isn't the Dataset's own but has the Dataset's data in it: pods that mount it get the
// Dataset, but the Dataset's sidecar gets the claim.
func (s *Sidecar) wraps(claim string) bool { return claim != s.dataset.Name }

// compiledContainer is the sidecar's container as it is in most pods, and in the others: in those that have the
// ServiceAccount's token in each container or, if it is only Served, in those that have a user of their own.
type compiledContainer struct{ usual, other fragment }

// of returns the container of a pod.
func (c *compiledContainer) of(v *values) *fragment {
	if v.token == "" && !v.ownUser {
		return &c.usual
	}
	return &c.other
}

// compiledVolume is a volume of the sidecar with the name that it has in the FUSE pod.
type compiledVolume struct {
	name string
	// claim is the claim that the volume is; empty if it is none.
	claim string
	// readOnly says that the claim is only read.
	readOnly bool
	json     fragment
}

// Compile makes a Sidecar.
func Compile(sidecar *reference.Sidecar, variant Variant) *Sidecar {
	c := &Sidecar{dataset: sidecar.Dataset, variant: variant, mountType: sidecar.MountType, metrics: sidecar.Metrics}
	if variant.Served {
		if c.findings = sidecar.Unprivileged; c.findings.Blocked() {
			return c
		}
		c.mountType, c.subPath = servedMountType, sidecar.SubPath
		c.readWriteOptions, c.readOnlyOptions = mountOptions(sidecar)
	}
	var err error
	if c.container, c.volumes, err = compileTemplate(sidecar, variant); err != nil {
		// Sidecars come from the API server as JSON, so they can be encoded.
		panic(fmt.Sprintf("encoding the sidecar of Dataset %s: %v", sidecar.Dataset, err))
	}
	for _, secret := range sidecar.ImagePullSecrets {
		c.pullSecrets = append(c.pullSecrets, secret.Name)
	}
	if !variant.Served {
		c.dataBefore = mountVolumePath(sidecar)
		if below := path.Join(sidecar.MountDirectory, sidecar.SubPath); below != "" {
			c.dataAfter = "/" + below
		}
	}
	c.size = c.container.other.size
	for i := range c.volumes {
		c.size += c.volumes[i].json.size
	}
	return c
}

// mountVolumePath is the directory on the node of the volume in which the FUSE client mounts.
func mountVolumePath(sidecar *reference.Sidecar) string {
	for _, volume := range sidecar.Volumes {
		if volume.Name == sidecar.MountVolume {
			return path.Clean(volume.HostPath.Path)
		}
	}
	panic("sidecar of " + sidecar.Dataset.String() + " without its mount volume " + sidecar.MountVolume)
}

// compileTemplate encodes the container and its volumes.
func compileTemplate(sidecar *reference.Sidecar, variant Variant) (compiledContainer, []compiledVolume, error) {
	slots, err := newSlots([]any{sidecar.Container, sidecar.Volumes})
	if err != nil {
		return compiledContainer{}, nil, err
	}
	var container *corev1.Container
	var volumes []corev1.Volume
	if variant.Served {
		container = unprivilegedContainer(sidecar, slots.text(slotContainer), variant)
		volumes = unprivilegedVolumes(sidecar, container, slots.text(slotOptions), slots.text(slotContainer))
	} else {
		container = sidecarContainer(sidecar, slots.text(slotContainer), slots.text(slotOwnDirectory), variant)
		volumes = sidecarVolumes(sidecar, container, slots.text(slotDirectory), variant)
	}
	compiled := make([]compiledVolume, len(volumes))
	renamed, claims := map[string]string{}, map[string]bool{}
	for i, volume := range volumes {
		inPod := slots.text(slotVolume + slot(i))
		compiled[i] = compiledVolume{name: volume.Name, claim: claimOf(volume)}
		compiled[i].readOnly = compiled[i].claim != "" && volume.PersistentVolumeClaim.ReadOnly
		renamed[volume.Name], claims[inPod] = inPod, claimOf(volume) != ""
		volume.Name = inPod
		if compiled[i].json, err = slots.fragment(volume); err != nil {
			return compiledContainer{}, nil, err
		}
	}
	container.VolumeMounts = slices.DeleteFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool { return renamed[mount.Name] == "" })
	for i := range container.VolumeMounts {
		mount := &container.VolumeMounts[i]
		mount.Name = renamed[mount.Name]
		if claims[mount.Name] && !variant.Served {
			mount.MountPropagation = new(corev1.MountPropagationHostToContainer) // The claim may be a Dataset's.
		}
	}
	encoded, err := compileContainer(slots, container, sidecar, variant)
	return encoded, compiled, err
}

// sidecarVolumes returns the volumes of a sidecar, whose container gets the mount of one that the FUSE pod doesn't have. The
// volume in which the client mounts is the last, and its mount the first: so the policy kubectl-fluid-sidecars needn't search
// for them.
func sidecarVolumes(sidecar *reference.Sidecar, container *corev1.Container, ownDirectory string, variant Variant) []corev1.Volume {
	var volumes, shared []corev1.Volume
	for _, volume := range sidecar.Volumes {
		switch {
		case variant.without(volume.Name):
		case volume.Name == sidecar.MountVolume:
			volume.HostPath = &corev1.HostPathVolumeSource{Path: path.Clean(volume.HostPath.Path) + ownDirectory, Type: new(corev1.HostPathDirectoryOrCreate)}
			shared = append(shared, volume)
		default:
			volumes = append(volumes, volume)
		}
	}
	if hasOwnDirectory(sidecar, variant) {
		name := allDirectoriesVolume
		for slices.ContainsFunc(sidecar.Volumes, func(v corev1.Volume) bool { return v.Name == name }) {
			name += "-own"
		}
		volume, mount := allDirectories(name, mountVolumePath(sidecar))
		volumes, container.VolumeMounts = append(volumes, volume), append(container.VolumeMounts, mount)
	}
	mounts := container.VolumeMounts
	at := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool {
		return m.Name == sidecar.MountVolume && m.MountPropagation != nil && *m.MountPropagation == corev1.MountPropagationBidirectional
	})
	if at > 0 {
		container.VolumeMounts = slices.Concat(mounts[at:at+1], mounts[:at], mounts[at+1:])
	}
	return append(volumes, shared...)
}

// compileContainer encodes the container.
func compileContainer(slots slots, container *corev1.Container, sidecar *reference.Sidecar, variant Variant) (c compiledContainer, err error) {
	if c.usual, err = slots.fragment(container); err != nil {
		return c, err
	}
	hasToken := slices.ContainsFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool { return mount.MountPath == tokenPath })
	user, _ := ownUser(sidecar)
	switch {
	case variant.Served && user == nil:
		container.SecurityContext = usersOfPods(container.SecurityContext)
	case !variant.Served && !hasToken:
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: slots.text(slotToken), ReadOnly: true, MountPath: tokenPath})
	default:
		c.other = c.usual
		return c, nil
	}
	c.other, err = slots.fragment(container)
	return c, err
}

func claimOf(volume corev1.Volume) string {
	if volume.PersistentVolumeClaim == nil {
		return ""
	}
	return volume.PersistentVolumeClaim.ClaimName
}

// allDirectoriesVolume is the name of the volume that allDirectories makes, if the FUSE pod has none of that name.
const allDirectoriesVolume = "fluid-pods"

// allDirectories lets a sidecar see the directory on the node that its pod's own directory is in, so that it can remove
// that. Mounts that other pods end there end for this one as well.
func allDirectories(name, directory string) (corev1.Volume, corev1.VolumeMount) {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: directory, Type: new(corev1.HostPathDirectoryOrCreate)}}},
		corev1.VolumeMount{Name: name, MountPath: nodeDirectory, MountPropagation: new(corev1.MountPropagationHostToContainer)}
}
