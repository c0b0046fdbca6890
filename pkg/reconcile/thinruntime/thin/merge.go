package thin

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// fuse is what a profile and a ThinRuntime together say about the FUSE client.
type fuse struct {
	image, pullPolicy string
	pullSecrets       []corev1.LocalObjectReference
	command, args     []string
	env               []corev1.EnvVar
	ports             []corev1.ContainerPort
	options           map[string]string
	resources         corev1.ResourceRequirements
	nodeSelector      map[string]string
	hostNetwork       bool
	liveness          *corev1.Probe
	readiness         *corev1.Probe
	lifecycle         *corev1.Lifecycle
	volumes           []corev1.Volume
	mounts            []corev1.VolumeMount
	labels            map[string]string
	annotations       map[string]string
}

// mergeFuse merges field by field: what the ThinRuntime sets wins over the profile. Lists with keys and maps are merged
// by key, for a DaemonSet mustn't have the same variable or port twice; Fluid v1.0.8 drops the profile's node selector
// and network mode where the ThinRuntime has a fuse section at all. The volumes and mounts given last are the Dataset's.
func mergeFuse(profile *datav1alpha1.ThinRuntimeProfile, runtime *datav1alpha1.ThinRuntime,
	volumes []corev1.Volume, mounts []corev1.VolumeMount) (fuse, error) {
	p, r := &profile.Spec.Fuse, runtime.Spec.FuseSpec()
	merged := fuse{
		image:      image(p, r),
		pullPolicy: first(r.ImagePullPolicy, p.ImagePullPolicy, string(corev1.PullIfNotPresent)),
		pullSecrets: firstList(r.ImagePullSecrets, p.ImagePullSecrets,
			runtime.Spec.ImagePullSecrets, profile.Spec.ImagePullSecrets),
		command:      firstList(r.Command, p.Command),
		args:         firstList(r.Args, p.Args),
		env:          mergeByKey(func(e corev1.EnvVar) string { return e.Name }, p.Env, r.Env),
		ports:        mergeByKey(portKey, withProtocol(p.Ports), withProtocol(r.Ports)),
		options:      mergeMaps(p.Options, r.Options),
		nodeSelector: mergeMaps(p.NodeSelector, r.NodeSelector),
		hostNetwork:  first(r.NetworkMode, p.NetworkMode) != "ContainerNetwork",
		liveness:     first(r.LivenessProbe, p.LivenessProbe),
		readiness:    first(r.ReadinessProbe, p.ReadinessProbe),
		lifecycle:    first(r.Lifecycle, p.Lifecycle),
		labels:       mergeMaps(p.PodMetadata.Labels, r.PodMetadata.Labels),
		annotations:  mergeMaps(p.PodMetadata.Annotations, r.PodMetadata.Annotations),
		resources: corev1.ResourceRequirements{
			Limits:   mergeMaps(p.Resources.Limits, r.Resources.Limits),
			Requests: mergeMaps(p.Resources.Requests, r.Resources.Requests),
			Claims:   firstList(r.Resources.Claims, p.Resources.Claims),
		},
	}
	err := merged.mergeVolumes(profile, runtime, volumes, mounts)
	return merged, err
}

// mergeVolumes takes the volume mounts of both sides and, as Fluid does, only the volumes that they name.
func (f *fuse) mergeVolumes(profile *datav1alpha1.ThinRuntimeProfile, runtime *datav1alpha1.ThinRuntime,
	volumes []corev1.Volume, mounts []corev1.VolumeMount) error {
	known := mergeByKey(func(v corev1.Volume) string { return v.Name }, profile.Spec.Volumes, runtime.Spec.Volumes)
	mountPath := func(m corev1.VolumeMount) string { return m.MountPath }
	user := mergeByKey(mountPath, profile.Spec.Fuse.VolumeMounts, runtime.Spec.FuseSpec().VolumeMounts)
	var problems []error
	problem := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		problems = append(problems, fmt.Errorf("ThinRuntime %s/%s with ThinRuntimeProfile %s: %s", runtime.Namespace, runtime.Name, profile.Name, text))
	}
	used := map[string]bool{}
	for _, mount := range user {
		switch i := slices.IndexFunc(known, func(v corev1.Volume) bool { return v.Name == mount.Name }); {
		case strings.HasPrefix(mount.Name, "thin-"):
			problem("volume names that begin with thin- are taken, as %q of spec.fuse.volumeMounts does: rename the volume", mount.Name)
		case mount.MountPath == configDirectory || slices.ContainsFunc(mounts, func(m corev1.VolumeMount) bool { return m.MountPath == mount.MountPath }):
			problem("spec.fuse.volumeMounts has something at %s, where the FUSE client's configuration is: mount it elsewhere", mount.MountPath)
		case i < 0:
			problem("spec.fuse.volumeMounts names the volume %q, which spec.volumes doesn't have: add it there", mount.Name)
		case !used[mount.Name]:
			used[mount.Name] = true
			f.volumes = append(f.volumes, known[i])
		}
	}
	f.volumes = append(f.volumes, volumes...)
	f.mounts = append(user, mounts...)
	return errors.Join(problems...)
}

// image joins image and tag, each the ThinRuntime's if it has one. The profile's tag isn't put behind an image that has
// a tag or digest already.
func image(p, r *datav1alpha1.ThinFuseSpec) string {
	name, tag := first(r.Image, p.Image), first(r.ImageTag, p.ImageTag)
	tagged := strings.Contains(name[strings.LastIndex(name, "/")+1:], ":") || strings.Contains(name, "@")
	if name == "" || tag == "" || (tagged && r.ImageTag == "") {
		return name
	}
	return name + ":" + tag
}

func portKey(port corev1.ContainerPort) string {
	return fmt.Sprintf("%d/%s", port.ContainerPort, port.Protocol)
}

// withProtocol writes the default out: it is part of a port's key.
func withProtocol(ports []corev1.ContainerPort) []corev1.ContainerPort {
	ports = slices.Clone(ports)
	for i := range ports {
		if ports[i].Protocol == "" {
			ports[i].Protocol = corev1.ProtocolTCP
		}
	}
	return ports
}

// first returns the first value that isn't the zero value.
func first[T comparable](values ...T) T {
	var none T
	for _, value := range values {
		if value != none {
			return value
		}
	}
	return none
}

func firstList[T any](lists ...[]T) []T {
	for _, list := range lists {
		if len(list) > 0 {
			return list
		}
	}
	return nil
}

// mergeByKey concatenates lists; of items with the same key only the last stays, at its place.
func mergeByKey[T any](key func(T) string, lists ...[]T) []T {
	all := slices.Concat(lists...)
	last := map[string]int{}
	for i := range all {
		last[key(all[i])] = i
	}
	var merged []T
	for i := range all {
		if last[key(all[i])] == i {
			merged = append(merged, all[i])
		}
	}
	return merged
}

func mergeMaps[M ~map[K]V, K comparable, V any](base, over M) M {
	if len(base) == 0 && len(over) == 0 {
		return nil
	}
	merged := M{}
	maps.Copy(merged, base)
	maps.Copy(merged, over)
	return merged
}
