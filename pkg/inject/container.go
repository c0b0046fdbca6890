package inject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// without reports whether a sidecar of a variant does without a volume of the FUSE pod, by the beginnings of names that
// Fluid v1.0.8 has for them: caches of the node's own workers and the node's time zone; and without rights on the node
// also the device and the directory on the node in which the client mounts otherwise.
func (v Variant) without(name string) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	return !v.CacheVolumes && slices.ContainsFunc([]string{"datavolume-", "volume-localtime", "cache-dir", "mem", "ssd", "hdd"}, begins) ||
		v.Unprivileged && slices.ContainsFunc([]string{"alluxio-fuse-mount", "jindofs-fuse-mount", "juicefs-fuse-mount", "thin-fuse-mount",
			"efc-fuse-mount", "efc-sock", "alluxio-fuse-device", "jindofs-fuse-device", "thin-fuse-device"}, begins)
}

// sidecarContainer turns the FUSE container into a sidecar: an init container that goes on running, or in classic mode
// an ordinary one. The app's containers start after its postStart hook has found the mount. The
// pod's own directory on the node is ownDirectory below all pods'.
func sidecarContainer(sidecar *reference.Sidecar, name, ownDirectory string, variant Variant) *corev1.Container {
	container := sidecar.Container.DeepCopy()
	container.Name = name
	restart(container, variant, true)
	supervise(container, sidecar, ownDirectory, variant)
	// A liveness probe may run before the startup probe has succeeded (kubernetes/kubernetes#141342).
	container.LivenessProbe = nil
	checkMount(container, sidecar, variant)
	explainEnd(container)
	container.Ports = sidecarPorts(container.Ports, sidecar.Metrics)
	secure(container, variant)
	if sidecar.Runtime == reference.AlluxioType && slices.ContainsFunc(sidecar.Volumes, func(v corev1.Volume) bool { return isTier(v.Name) && variant.without(v.Name) }) {
		disableShortCircuit(container)
	}
	return container
}

// restart says when kubelet starts the container again: always, and if a client's crash is told also all containers with it.
func restart(container *corev1.Container, variant Variant, told bool) {
	if variant.Classic && !variant.SelfHealing {
		return // The server may not know restart policies of ordinary containers (Kubernetes 1.35).
	}
	container.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
	if variant.SelfHealing && told {
		codes := crashExitCodes()
		if variant.Served {
			codes = volume.ExitCodesToRestartAll()
		}
		container.RestartPolicyRules = []corev1.ContainerRestartRule{{
			Action: corev1.ContainerRestartRuleActionRestartAllContainers,
			ExitCodes: &corev1.ContainerRestartRuleOnExitCodes{
				Operator: corev1.ContainerRestartRuleOnExitCodesOpIn, Values: codes,
			},
		}}
	}
}

// checkMount lets the containers after this one wait for the mount, in a postStart hook: kubelet looks at a startup probe
// once a second only. The FUSE pod's own hooks are left out. One that unmounts would be too early as preStop: kubelet runs a
// sidecar's while the app is still running, and only then waits for the app to end (Kubernetes 1.37, killContainer).
func checkMount(container *corev1.Container, sidecar *reference.Sidecar, variant Variant) {
	container.StartupProbe, container.Lifecycle = nil, nil
	if !variant.Unchecked {
		container.Lifecycle = &corev1.Lifecycle{PostStart: mountHook(sidecar)}
	}
}

// explainEnd has kubelet show why a container ended: what its hook wrote, or else the end of its log.
func explainEnd(container *corev1.Container) {
	container.TerminationMessagePath = volume.TerminationMessagePath
	container.TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
}

// sidecarPorts leaves out ports of metrics, unless the runtime wants sidecars to be scraped: they clash when a pod has
// several sidecars. It also leaves out host ports, which the API server adds to the containers of FUSE pods on the
// node's network.
func sidecarPorts(ports []corev1.ContainerPort, metrics bool) []corev1.ContainerPort {
	var kept []corev1.ContainerPort
	for _, port := range ports {
		if !metrics && (port.Name == "metrics" || strings.HasSuffix(port.Name, "-metrics")) {
			continue
		}
		port.HostPort = 0
		kept = append(kept, port)
	}
	return kept
}

// secure gives the container the user that it has in the FUSE pod, whatever the pod demands of all its containers, and
// takes what it may do on the node where that is wanted.
func secure(container *corev1.Container, variant Variant) {
	security := container.SecurityContext
	if security == nil {
		return
	}
	if variant.Unprivileged {
		security.Privileged = new(false)
		if security.Capabilities != nil {
			security.Capabilities.Add = slices.DeleteFunc(security.Capabilities.Add, func(c corev1.Capability) bool { return c == "SYS_ADMIN" })
		}
	} else if security.RunAsUser == nil && security.Privileged != nil && *security.Privileged {
		// The FUSE pod doesn't say, so it is the image's user there: root, or it couldn't mount. Here it would be the pod's.
		security.RunAsUser = new(int64(0))
		if security.RunAsGroup == nil {
			security.RunAsGroup = new(int64(0))
		}
	}
	if security.RunAsUser != nil && *security.RunAsUser == 0 {
		// The pod may demand runAsNonRoot of all its containers; this one mounts.
		security.RunAsNonRoot = new(false)
	}
}

// isTier reports whether a volume is named after a tier of Alluxio's workers.
func isTier(name string) bool {
	return slices.ContainsFunc([]string{"mem", "ssd", "hdd"}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// disableShortCircuit keeps Alluxio's client from reading blocks in the directories of a worker on its node: it takes
// the worker for local, by the node's address, but doesn't have its directories. Options of the ConfigMap come first.
func disableShortCircuit(container *corev1.Container) {
	const name, option = "ALLUXIO_FUSE_JAVA_OPTS", " -Dalluxio.user.short.circuit.enabled=false"
	for i := range container.Env {
		if env := &container.Env[i]; env.Name == name && env.ValueFrom == nil {
			env.Value += option
			return
		}
	}
	value := option
	if len(container.EnvFrom) > 0 {
		value = "$(" + name + ")" + option
	}
	container.Env = append(container.Env, corev1.EnvVar{Name: name, Value: value})
}
