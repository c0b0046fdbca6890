package engine

import (
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// fuse is the template that sidecars are made from. Its own pods run on nodes that are labelled for it: none, until a CSI
// driver labels one.
func (e *Engine) fuse() *appsv1.DaemonSet {
	labels := e.labels(roleFuse)
	labels[istioLabel] = "false"
	return &appsv1.DaemonSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "DaemonSet"}, ObjectMeta: e.meta(FuseName(e.runtime.Name), roleFuse, nil),
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: e.selector(roleFuse)},
			// A FUSE pod that ends takes the mount from the pods that use it.
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{istioLabel: "false",
					AnnotationConfigHash: e.configHash(keyJava, keyFuse)}},
				Spec: e.fusePod(),
			},
		},
	}
}

func (e *Engine) fusePod() corev1.PodSpec {
	links := false
	device, create := corev1.HostPathCharDev, corev1.HostPathDirectoryOrCreate
	selector := map[string]string{reference.FuseLabel(e.dataset): "true"}
	maps.Copy(selector, e.runtime.Spec.Fuse.NodeSelector)
	return corev1.PodSpec{
		EnableServiceLinks: &links, NodeSelector: selector, Tolerations: e.dataset.Spec.Tolerations,
		ImagePullSecrets: e.runtime.Spec.ImagePullSecrets, Containers: []corev1.Container{e.fuseContainer()},
		Volumes: []corev1.Volume{
			{Name: "alluxio-fuse-device", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/dev/fuse", Type: &device}}},
			{Name: "alluxio-fuse-mount", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: e.fuseDirectory(), Type: &create}}},
		},
	}
}

func (e *Engine) fuseContainer() corev1.Container {
	spec := &e.runtime.Spec.Fuse
	privileged, root := true, int64(0)
	bidirectional := corev1.MountPropagationBidirectional
	env := []corev1.EnvVar{fieldEnv("ALLUXIO_CLIENT_HOSTNAME", "status.hostIP"),
		{Name: "ALLUXIO_CLIENT_JAVA_OPTS", Value: " -Dalluxio.user.hostname=${ALLUXIO_CLIENT_HOSTNAME} "},
		{Name: "FLUID_RUNTIME_TYPE", Value: RuntimeType}, {Name: "FLUID_RUNTIME_NS", Value: e.runtime.Namespace},
		{Name: "FLUID_RUNTIME_NAME", Value: e.runtime.Name}}
	return corev1.Container{
		Name: containerFuse, Image: e.fuseImage(), ImagePullPolicy: pullPolicy(spec.ImagePullPolicy, e.runtime.Spec.AlluxioVersion.ImagePullPolicy),
		Command: []string{entrypoint}, Args: []string{"fuse", "--fuse-opts=" + e.fuseOptions(), e.fuseMount(), "/"},
		Env: append(env, userEnv(spec.Env)...), EnvFrom: e.envFrom(), Resources: spec.Resources,
		SecurityContext: &corev1.SecurityContext{Privileged: &privileged, RunAsUser: &root, RunAsGroup: &root},
		Lifecycle: &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{
			Command: []string{"/opt/alluxio/integration/fuse/bin/alluxio-fuse", "unmount", e.fuseMount()}}}},
		VolumeMounts: []corev1.VolumeMount{{Name: "alluxio-fuse-device", MountPath: "/dev/fuse"},
			{Name: "alluxio-fuse-mount", MountPath: e.fuseDirectory(), MountPropagation: &bidirectional}},
	}
}

// fuseOptions let the kernel read in order (else its read-ahead makes a client seek all the time: 1,245 requests to the origin
// for what takes 5), let every user read, and forget soon what may have changed at the origin. kernel_cache, which Fluid
// sets, would show a replaced file's old content for ever.
func (e *Engine) fuseOptions() string {
	mode := "ro"
	if writable(e.dataset) {
		mode = "rw"
	}
	return strings.Join([]string{mode, "allow_other", "sync_read", fmt.Sprintf("attr_timeout=%d", kernelMetadataTime),
		fmt.Sprintf("entry_timeout=%d", kernelMetadataTime)}, ",")
}
