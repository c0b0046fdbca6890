package inject

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Names of the volumes that a sidecar without privileges has beside those of the FUSE pod.
const (
	brokerVolume   = "fluid-broker"
	tmpVolume      = "fluid-tmp"
	noTokenVolume  = "fluid-no-token"
	writableVolume = "fluid-writable"
)

// homeDirectory is the home of a client without privileges, and where its temporary files are: it writes nowhere else but
// to the directories that its Client names.
const homeDirectory = "/tmp"

// unprivilegedContainer turns the FUSE container into a sidecar that only serves: the node plugin mounts, and the
// program that it delivers starts the client and waits for the mount.
func unprivilegedContainer(sidecar *reference.Sidecar, name string, variant Variant) *corev1.Container {
	container := sidecar.Container.DeepCopy()
	container.Name = name
	restart(container, variant, len(container.Command) > 0)
	runByProgram(container, sidecar)
	container.LivenessProbe, container.StartupProbe, container.Lifecycle = nil, nil, nil
	if !variant.Unchecked {
		container.Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{
			Command: []string{volume.ProgramPath, volume.CommandWait, volume.FlagTimeout, hookTimeout(sidecar).String()},
		}}}
	}
	explainEnd(container)
	container.Ports = sidecarPorts(container.Ports, sidecar.Metrics)
	container.SecurityContext = restricted(sidecar, variant)
	for _, variable := range []string{"HOME", "TMPDIR"} {
		if !slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool { return e.Name == variable }) {
			container.Env = append(container.Env, corev1.EnvVar{Name: variable, Value: homeDirectory})
		}
	}
	if sidecar.Runtime == reference.AlluxioType {
		disableShortCircuit(container)
	}
	return container
}

// runByProgram lets the program of the broker start the client, which it does with the same words.
func runByProgram(container *corev1.Container, sidecar *reference.Sidecar) {
	if len(container.Command) == 0 {
		return // The image's own entry point runs, unknown here.
	}
	words := []string{volume.ProgramPath, volume.CommandRun}
	if sidecar.Masters != "" {
		words = append(words, volume.FlagMasters, sidecar.Masters, volume.FlagNamespace, sidecar.MastersNamespace)
	}
	container.Command = slices.Concat(words, []string{"--"}, container.Command, container.Args)
	container.Args = nil
}

// restricted is all that a sidecar may do, which the Pod Security level restricted allows. Nothing is taken from the FUSE
// pod but the user: its other rights are for mounting.
func restricted(sidecar *reference.Sidecar, variant Variant) *corev1.SecurityContext {
	security := &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		ReadOnlyRootFilesystem:   new(true),
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if user, group := ownUser(sidecar); user != nil {
		security.RunAsUser, security.RunAsGroup, security.RunAsNonRoot = user, group, new(*user != 0)
	} else if variant.User != NoUser {
		security.RunAsUser, security.RunAsGroup, security.RunAsNonRoot = new(variant.User), new(variant.User), new(true)
	}
	return security
}

// ownUser is the user that a client needs, and its group, or that its FUSE pods have if that isn't root; otherwise nil: then
// a sidecar has the pod's, or the cluster's.
func ownUser(sidecar *reference.Sidecar) (user, group *int64) {
	if client := sidecar.Client; client != nil && client.RunAsUser != nil {
		return client.RunAsUser, client.RunAsUser
	}
	if security := sidecar.Container.SecurityContext; security != nil && security.RunAsUser != nil && *security.RunAsUser != 0 {
		return security.RunAsUser, security.RunAsGroup
	}
	return nil, nil
}

// usersOfPods are for pods that have a user of their own: the sidecar has that one.
func usersOfPods(security *corev1.SecurityContext) *corev1.SecurityContext {
	pods := security.DeepCopy()
	pods.RunAsUser, pods.RunAsGroup, pods.RunAsNonRoot = nil, nil, new(true)
	return pods
}

// unprivilegedVolumes returns the volumes of a sidecar that only serves, and gives its container the mounts of those that
// the FUSE pod doesn't have. The broker is the last, and its first mount the first: so the policy kubectl-fluid-sidecars
// needn't search for them.
func unprivilegedVolumes(sidecar *reference.Sidecar, container *corev1.Container, options, name string) []corev1.Volume {
	var volumes []corev1.Volume
	dropped := map[string]bool{}
	for i := range sidecar.Volumes {
		v := sidecar.Volumes[i]
		switch sidecar.HostUseOf(&v) {
		case reference.HostNone:
			volumes = append(volumes, readable(v))
		case reference.HostMount, reference.HostCache:
			volumes = append(volumes, emptyVolume(v.Name))
		default:
			dropped[v.Name] = true
		}
	}
	mounts := slices.DeleteFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool { return dropped[m.Name] })
	for i := range mounts {
		mounts[i].MountPropagation = nil
	}
	add := func(v corev1.Volume, more ...corev1.VolumeMount) {
		for slices.ContainsFunc(sidecar.Volumes, func(other corev1.Volume) bool { return other.Name == v.Name }) {
			v.Name += "-own"
		}
		used := false
		for _, mount := range more {
			if slices.ContainsFunc(mounts, func(m corev1.VolumeMount) bool { return path.Clean(m.MountPath) == mount.MountPath }) {
				continue // The FUSE pod has something there.
			}
			mount.Name, used = v.Name, true
			mounts = append(mounts, mount)
		}
		if used {
			volumes = append(volumes, v)
		}
	}
	add(emptyVolume(tmpVolume), corev1.VolumeMount{MountPath: homeDirectory})
	for i, directory := range sidecar.Client.WritableDirectories {
		add(emptyVolume(writableVolume+"-"+strconv.Itoa(i)), corev1.VolumeMount{MountPath: directory})
	}
	// The API server gives every container the ServiceAccount's token that has nothing there.
	add(emptyVolume(noTokenVolume), corev1.VolumeMount{MountPath: tokenPath, ReadOnly: true})
	add(broker(name, options), brokerMounts()...)
	at := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool { return m.MountPath == volume.MountPath })
	container.VolumeMounts = slices.Concat(mounts[at:at+1], mounts[:at], mounts[at+1:])
	return volumes
}

// broker is the volume by which a client gets its mount.
func broker(client, options string) corev1.Volume {
	return corev1.Volume{Name: brokerVolume, VolumeSource: corev1.VolumeSource{CSI: &corev1.CSIVolumeSource{Driver: volume.Driver, VolumeAttributes: map[string]string{
		volume.AttributeRole: volume.RoleBroker, volume.AttributeClient: client, volume.AttributeOptions: options,
	}}}}
}

// brokerMounts are those of the broker: itself, what stands for fusermount where clients look for it, and a file in the
// place of the FUSE device, without which libfuse gives up.
func brokerMounts() []corev1.VolumeMount {
	mounts := []corev1.VolumeMount{{MountPath: volume.MountPath, ReadOnly: true}}
	for _, at := range volume.FusermountPaths() {
		mounts = append(mounts, corev1.VolumeMount{MountPath: at.Path, SubPath: at.File, ReadOnly: true})
	}
	return append(mounts, corev1.VolumeMount{MountPath: volume.DevicePath, SubPath: volume.Device})
}

func emptyVolume(name string) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}
}

// readable lets every user read a volume of the sidecar's own that only root could read: the client may be anybody.
func readable(v corev1.Volume) corev1.Volume {
	v = *v.DeepCopy()
	widen := func(mode *int32) {
		if mode != nil {
			*mode |= *mode>>3&0o055 | *mode>>6&0o005
		}
	}
	items := func(items []corev1.KeyToPath) {
		for i := range items {
			widen(items[i].Mode)
		}
	}
	switch {
	case v.Secret != nil:
		widen(v.Secret.DefaultMode)
		items(v.Secret.Items)
	case v.ConfigMap != nil:
		widen(v.ConfigMap.DefaultMode)
		items(v.ConfigMap.Items)
	case v.Projected != nil:
		widen(v.Projected.DefaultMode)
		for _, source := range v.Projected.Sources {
			if source.Secret != nil {
				items(source.Secret.Items)
			}
			if source.ConfigMap != nil {
				items(source.ConfigMap.Items)
			}
		}
	case v.DownwardAPI != nil:
		widen(v.DownwardAPI.DefaultMode)
	}
	return v
}

// mountOptions are the kernel's options of the broker of a Dataset; of one that is only read also ro.
func mountOptions(sidecar *reference.Sidecar) (readWrite, readOnly string) {
	options := sidecar.Client.MountOptions
	return strings.Join(options, ","), strings.Join(append([]string{volume.OptionReadOnly}, options...), ",")
}

// NoUser lets a sidecar have the user of its image.
const NoUser = -1

// DefaultUser is nobody's.
const DefaultUser = 65534

// ParseUser reads the user of sidecars without privileges: a number other than root's, or none for the image's.
func ParseUser(text string) (int64, error) {
	if text == "none" {
		return NoUser, nil
	}
	user, err := strconv.ParseInt(text, 10, 32)
	if err != nil || user <= 0 {
		return 0, fmt.Errorf("%q is not a user of sidecars: it must be a number from 1 to 2147483647, or none", text)
	}
	return user, nil
}
