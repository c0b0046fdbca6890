package thin

import (
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

const (
	containerName = "thin-fuse"
	mountVolume   = "thin-fuse-mount"
	configVolume  = "thin-conf"
	// annotationHostPID on a ThinRuntime asks for the node's process namespace.
	annotationHostPID = "runtime.fluid.io/fuse.hostpid"
	// istioLabel keeps Istio's proxy out of FUSE pods, as label and as annotation.
	istioLabel = "sidecar.istio.io/inject"
)

// daemonSet runs the FUSE client on the nodes that are labelled for it: none until somebody, such as a CSI driver,
// labels one. Its pod template is what sidecars are made from.
func (e *engine) daemonSet() *appsv1.DaemonSet {
	return &appsv1.DaemonSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"},
		ObjectMeta: e.workloadMeta(FuseSuffix),
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: e.selector()},
			// A FUSE pod that ends takes the mount from the pods that use it.
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType},
			Template:       corev1.PodTemplateSpec{ObjectMeta: e.podMeta(), Spec: e.podSpec()},
		},
	}
}

func (e *engine) podMeta() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Labels:      mergeMaps(mergeMaps(e.fuse.labels, e.labels()), map[string]string{istioLabel: "false"}),
		Annotations: mergeMaps(e.fuse.annotations, map[string]string{istioLabel: "false"}),
	}
}

func (e *engine) podSpec() corev1.PodSpec {
	links := false
	directoryOrCreate := corev1.HostPathDirectoryOrCreate
	readable := int32(0o444)
	volumes := []corev1.Volume{
		{Name: mountVolume, VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: e.directory, Type: &directoryOrCreate}}},
		{Name: configVolume, VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: e.runtime.Name + ConfigSuffix},
			Items:                []corev1.KeyToPath{{Key: configKey, Path: configKey}},
			DefaultMode:          &readable}}},
	}
	return corev1.PodSpec{
		Containers:         []corev1.Container{e.container()},
		Volumes:            append(volumes, e.fuse.volumes...),
		ImagePullSecrets:   e.fuse.pullSecrets,
		NodeSelector:       mergeMaps(e.fuse.nodeSelector, map[string]string{reference.FuseLabel(e.dataset): "true"}),
		Tolerations:        []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		HostNetwork:        e.fuse.hostNetwork,
		HostPID:            e.runtime.Annotations[annotationHostPID] == "true",
		DNSPolicy:          corev1.DNSClusterFirstWithHostNet,
		EnableServiceLinks: &links,
		RestartPolicy:      corev1.RestartPolicyAlways,
	}
}

func (e *engine) container() corev1.Container {
	privileged, root := true, int64(0)
	bidirectional := corev1.MountPropagationBidirectional
	mounts := []corev1.VolumeMount{
		{Name: mountVolume, MountPath: e.directory, MountPropagation: &bidirectional},
		{Name: configVolume, MountPath: configDirectory, ReadOnly: true},
	}
	return corev1.Container{
		Name:            containerName,
		Image:           e.fuse.image,
		ImagePullPolicy: corev1.PullPolicy(e.fuse.pullPolicy),
		Command:         e.fuse.command,
		Args:            e.fuse.args,
		Env:             e.environment(),
		Ports:           e.fuse.ports,
		Resources:       e.fuse.resources,
		VolumeMounts:    append(mounts, e.fuse.mounts...),
		LivenessProbe:   e.fuse.liveness,
		ReadinessProbe:  e.fuse.readiness,
		Lifecycle:       e.lifecycle(),
		SecurityContext: &corev1.SecurityContext{Privileged: &privileged, RunAsUser: &root, RunAsGroup: &root},
	}
}

// environment has Fluid's order: a user's variable may replace FLUID_RUNTIME_*, and nothing replaces MOUNT_POINT and
// MOUNT_OPTIONS.
func (e *engine) environment() []corev1.EnvVar {
	identity := []corev1.EnvVar{
		{Name: "FLUID_RUNTIME_TYPE", Value: reference.ThinType},
		{Name: "FLUID_RUNTIME_NS", Value: e.runtime.Namespace},
		{Name: "FLUID_RUNTIME_NAME", Value: e.runtime.Name},
	}
	mount := []corev1.EnvVar{{Name: "MOUNT_POINT", Value: e.target}}
	if options := e.options(); options != "" {
		mount = append(mount, corev1.EnvVar{Name: "MOUNT_OPTIONS", Value: options})
	}
	return mergeByKey(func(v corev1.EnvVar) string { return v.Name }, identity, e.fuse.env, mount)
}

// options returns the value of MOUNT_OPTIONS, sorted. A Dataset that is only read adds ro, unless the options say ro or
// rw; Fluid v1.0.8 forgets it when the profile has any options.
func (e *engine) options() string {
	options := maps.Clone(e.fuse.options)
	if options == nil {
		options = map[string]string{}
	}
	_, readWrite := options["rw"]
	if slices.Contains(accessModes(e.dataset), corev1.ReadOnlyMany) && !readWrite {
		options["ro"] = ""
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(options)) {
		if value := options[name]; value != "" {
			name += "=" + value
		}
		list = append(list, name)
	}
	return strings.Join(list, ",")
}

// lifecycle unmounts before the container ends, unless the user says what to do.
func (e *engine) lifecycle() *corev1.Lifecycle {
	if e.fuse.lifecycle != nil {
		return e.fuse.lifecycle
	}
	return &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{
		Exec: &corev1.ExecAction{Command: []string{"umount", e.target}}}}
}

// accessModes returns a Dataset's access modes with Fluid's default.
func accessModes(dataset *datav1alpha1.Dataset) []corev1.PersistentVolumeAccessMode {
	if len(dataset.Spec.AccessModes) == 0 {
		return []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
	}
	return dataset.Spec.AccessModes
}
