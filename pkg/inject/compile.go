package inject

import (
	"fmt"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

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
}

// Sidecar is a reference.Sidecar made ready for patches: JSON with slots for what differs from pod to pod. It is never
// changed, and serves any number of pods at once.
type Sidecar struct {
	dataset     types.NamespacedName
	variant     Variant
	container   fragment
	volumes     []compiledVolume
	pullSecrets []string
	mountType   string
	metrics     bool
	// What pods see is on the node at dataBefore, the pod's own directory, and dataAfter.
	dataBefore, dataAfter string
	size                  int
}

// wraps reports whether a claim isn't the Dataset's own but has the Dataset's data in it: pods that mount it get the
// Dataset, but the Dataset's sidecar gets the claim.
func (s *Sidecar) wraps(claim string) bool { return claim != s.dataset.Name }

// compiledVolume is a volume of the sidecar with the name that it has in the FUSE pod.
type compiledVolume struct {
	name string
	// claim is the claim that the volume is; empty if it is none.
	claim string
	json  fragment
}

// Compile makes a Sidecar.
func Compile(sidecar *reference.Sidecar, variant Variant) *Sidecar {
	c := &Sidecar{dataset: sidecar.Dataset, variant: variant, mountType: sidecar.MountType, metrics: sidecar.Metrics}
	var err error
	if c.container, c.volumes, err = compileTemplate(sidecar, variant); err != nil {
		// Sidecars come from the API server as JSON, so they can be encoded.
		panic(fmt.Sprintf("encoding the sidecar of Dataset %s: %v", sidecar.Dataset, err))
	}
	for _, secret := range sidecar.ImagePullSecrets {
		c.pullSecrets = append(c.pullSecrets, secret.Name)
	}
	c.dataBefore = mountVolumePath(sidecar)
	if below := path.Join(sidecar.MountDirectory, sidecar.SubPath); below != "" {
		c.dataAfter = "/" + below
	}
	c.size = c.container.size
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
func compileTemplate(sidecar *reference.Sidecar, variant Variant) (fragment, []compiledVolume, error) {
	slots, err := newSlots([]any{sidecar.Container, sidecar.Volumes})
	if err != nil {
		return fragment{}, nil, err
	}
	container := sidecarContainer(sidecar, slots.text(slotContainer), slots.text(slotOwnDirectory), variant)
	var volumes []compiledVolume
	renamed, claims := map[string]string{}, map[string]bool{}
	for _, volume := range sidecar.Volumes {
		if variant.without(volume.Name) {
			continue
		}
		name, inPod := volume.Name, slots.text(slotVolume+slot(len(volumes)))
		renamed[name], claims[inPod] = inPod, claimOf(volume) != ""
		volume.Name = inPod
		if name == sidecar.MountVolume {
			volume.HostPath = &corev1.HostPathVolumeSource{
				Path: path.Clean(volume.HostPath.Path) + slots.text(slotDirectory), Type: new(corev1.HostPathDirectoryOrCreate),
			}
		}
		encoded, err := slots.fragment(volume)
		if err != nil {
			return fragment{}, nil, err
		}
		volumes = append(volumes, compiledVolume{name, claimOf(volume), encoded})
	}
	container.VolumeMounts = slices.DeleteFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool { return renamed[mount.Name] == "" })
	for i := range container.VolumeMounts {
		mount := &container.VolumeMounts[i]
		mount.Name = renamed[mount.Name]
		if claims[mount.Name] {
			mount.MountPropagation = new(corev1.MountPropagationHostToContainer) // The claim may be a Dataset's.
		}
	}
	if hasOwnDirectory(sidecar, variant) {
		name := slots.text(slotVolume + slot(len(volumes)))
		volume, mount := allDirectories(name, mountVolumePath(sidecar))
		encoded, err := slots.fragment(volume)
		if err != nil {
			return fragment{}, nil, err
		}
		volumes = append(volumes, compiledVolume{allDirectoriesVolume, "", encoded})
		container.VolumeMounts = append(container.VolumeMounts, mount)
	}
	encoded, err := slots.fragment(container)
	return encoded, volumes, err
}

func claimOf(volume corev1.Volume) string {
	if volume.PersistentVolumeClaim == nil {
		return ""
	}
	return volume.PersistentVolumeClaim.ClaimName
}

// allDirectoriesVolume is the volume that allDirectories makes.
const allDirectoriesVolume = "fluid-pods"

// allDirectories lets a sidecar see the directory on the node that its pod's own directory is in, so that it can remove
// that. Mounts that other pods end there end for this one as well.
func allDirectories(name, directory string) (corev1.Volume, corev1.VolumeMount) {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: directory, Type: new(corev1.HostPathDirectoryOrCreate)}}},
		corev1.VolumeMount{Name: name, MountPath: nodeDirectory, MountPropagation: new(corev1.MountPropagationHostToContainer)}
}
