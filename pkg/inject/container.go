package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// trimmed reports whether a sidecar does without a volume of the FUSE pod: caches of the node's own workers and the
// node's time zone, by the beginnings of names that Fluid v1.0.8 has for them.
func trimmed(volume string) bool {
	return slices.ContainsFunc([]string{"datavolume-", "volume-localtime", "cache-dir", "mem", "ssd", "hdd"},
		func(prefix string) bool { return strings.HasPrefix(volume, prefix) })
}

// sidecarContainer turns the FUSE container into a native sidecar: an init container that goes on running. The app's
// containers start after its startup probe has succeeded. The pod's own directory on the node is ownDirectory below all
// pods'.
func sidecarContainer(sidecar *reference.Sidecar, name, ownDirectory string, variant Variant) *corev1.Container {
	container := sidecar.Container.DeepCopy()
	container.Name = name
	container.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	if variant.SelfHealing {
		container.RestartPolicyRules = []corev1.ContainerRestartRule{{
			Action: corev1.ContainerRestartRuleActionRestartAllContainers,
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
				Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: crashExitCodes(),
			},
		}}
	}
	supervise(container, sidecar, ownDirectory, variant)
	container.StartupProbe = mountProbe(sidecar)
	// A liveness probe may run before the startup probe has succeeded (kubernetes/kubernetes#141342).
	container.LivenessProbe = nil
	dropPreStop(container)
	container.Ports = sidecarPorts(container.Ports)
	if security := container.SecurityContext; security != nil && security.RunAsUser != nil && *security.RunAsUser == 0 {
		// The pod may demand runAsNonRoot of all its containers; this one mounts.
		security.RunAsNonRoot = new(false)
	}
	return container
}

// dropPreStop leaves out the hook that unmounts: kubelet runs a sidecar's preStop while the app is still running, and
// only then waits for the app to end (Kubernetes 1.37, killContainer).
func dropPreStop(container *corev1.Container) {
	if container.Lifecycle == nil {
		return
	}
	container.Lifecycle.PreStop = nil
	if *container.Lifecycle == (corev1.Lifecycle{}) {
		container.Lifecycle = nil
	}
}

// sidecarPorts leaves out ports of metrics, which clash when a pod has several sidecars, and host ports, which the API
// server adds to the containers of FUSE pods on the node's network.
func sidecarPorts(ports []corev1.ContainerPort) []corev1.ContainerPort {
	var kept []corev1.ContainerPort
	for _, port := range ports {
		if port.Name == "metrics" || strings.HasSuffix(port.Name, "-metrics") {
			continue
		}
		port.HostPort = 0
		kept = append(kept, port)
	}
	return kept
}
