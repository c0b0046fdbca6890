package inject

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject/scripts"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// crashExitCodes are what a client's exit code is when it was killed (137), aborted (134) or accessed memory that isn't
// there (139). A client that can't start at all exits otherwise and gets kubelet's ordinary back-off, which the rule
// RestartAllContainers doesn't have (Kubernetes 1.37).
func crashExitCodes() []int32 { return []int32{134, 137, 139} }

// nodeDirectory is where a sidecar sees the directory on the node in which each pod has its own for the sidecar's Dataset.
const nodeDirectory = "/run/kubectl-fluid/pods"

// isSupervised reports whether a client runs below scripts.Supervise. Without a command the image's own entry point
// runs, unknown here: then the client has to unmount on SIGTERM itself. So must one that mounts right on its mount volume,
// which the script would take for a mount left behind.
func isSupervised(container *corev1.Container, sidecar *reference.Sidecar) bool {
	return len(container.Command) > 0 && sidecar.MountDirectory != ""
}

// hasOwnDirectory reports whether the sidecar mounts in a directory of its pod's own on the node, and removes it.
func hasOwnDirectory(sidecar *reference.Sidecar, variant Variant) bool {
	return isSupervised(&sidecar.Container, sidecar) && !variant.Shared && !variant.Unprivileged
}

// supervise wraps a container's command. The pod's own directory on the node is ownDirectory below all pods'.
func supervise(container *corev1.Container, sidecar *reference.Sidecar, ownDirectory string, variant Variant) {
	if !isSupervised(container, sidecar) {
		return
	}
	var anew []string
	if variant.SelfHealing {
		for _, code := range crashExitCodes() {
			anew = append(anew, strconv.Itoa(int(code)))
		}
	}
	script, own := scripts.Supervise(), ""
	if variant.Shared {
		script = scripts.SuperviseShared()
	}
	if hasOwnDirectory(sidecar, variant) {
		own = escapeVariables(path.Join(ownDirectory, sidecar.MountDirectory))
	}
	words := []string{escapeVariables(sidecar.MountPath), nodeDirectory, own, strings.Join(anew, " ")}
	if sidecar.Masters != "" {
		script, words = escapeVariables(scripts.Masters())+script, slices.Concat([]string{sidecar.Masters, sidecar.MastersNamespace}, words)
	}
	container.Command = slices.Concat([]string{"sh", "-c", script, "supervise"}, words, container.Command, container.Args)
	container.Args = nil
}

// mountHook is the postStart hook that waits for the mount. Kubelet leaves the words of a hook alone (Kubernetes 1.37).
func mountHook(sidecar *reference.Sidecar) *corev1.LifecycleHandler {
	return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", scripts.Await(), "await",
		strconv.Itoa(int(hookTimeout(sidecar).Seconds())), sidecar.MountPath, sidecar.MountType, sidecar.SubPath}}}
}

// maxHookTimeout is less than the two minutes after which kubelet gives up calls of the container runtime, so that a mount
// that doesn't come ends in words about it. While a hook runs, kubelet does nothing else for the pod.
const maxHookTimeout = 110 * time.Second

// hookTimeout is how long a sidecar's mount may take.
func hookTimeout(sidecar *reference.Sidecar) time.Duration {
	return min(sidecar.MountTimeout, maxHookTimeout)
}

// escapeVariables keeps kubelet from reading $(NAME) and $$ in a word of a command, as it does in those of the client.
func escapeVariables(word string) string { return strings.ReplaceAll(word, "$", "$$") }
