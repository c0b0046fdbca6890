package inject

import (
	_ "embed"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// superviseMain runs a FUSE client ($2…) that mounts at $1. A mount that an earlier client left behind is taken off
// before: on a dead one a new client fails with ENOTCONN. It is also taken off when the client has ended, however it
// ended, so that nothing stays on the node; kubelet ends a sidecar after the app, but runs its preStop before
// (Kubernetes 1.37), which is therefore no place to unmount. The client's exit code is passed on.
//
// Then the pod's own directory on the node goes too, which is $3, below all pods' at $2, and has what the client mounts
// on: with rmdir, so that nothing is lost that somebody put there. It stays where kubelet starts the sidecar alone again,
// since the app sees it: it goes when the sidecar was told to end, and with an exit code of $4, after which kubelet makes
// all containers anew, and the container runtime the directory.
//
// Kubelet makes them anew at once, however often. So a client that crashes before it has mounted ends the sidecar with
// another code, 1, for which kubelet waits longer each time. A crashed client's mount is dead but there, unless something
// unmounts it for the client: that one is believed if the node's clock of hundreds of seconds has moved since it began.
//
// A SIGTERM that comes while the client is being started is sent on as soon as the client's number is known, and again
// when it has surely begun: a child that the shell has just forked still swallows it.
//
// A SIGTERM interrupts wait, which then returns 143 as if the client had ended so. Only another wait tells: it returns the
// client's code, or 127 if the first one had returned that already.
//
// The words of the command come as arguments: nothing is pasted into the script. Its variables have names of their own:
// a shell hands a variable on to the client if the container's environment has it.
//
// Before it stands unmountFunction or unmountDeadFunction.
//
//go:embed scripts/supervise.sh
var superviseMain string

// unmountFunction takes every mount off.
//
//go:embed scripts/unmount.sh
var unmountFunction string

// unmountDeadFunction takes dead mounts off, for a mount point that other pods of the node have too: one that answers may
// be another pod's.
//
//go:embed scripts/unmount-dead.sh
var unmountDeadFunction string

// mountedFunction succeeds if a file system whose type or source has $2 in it is mounted exactly at $1, answers, and has
// the path $3, which leads to a place within it: through a symbolic link that leads out, the app would get a directory of
// its node.
//
//go:embed scripts/mounted.sh
var mountedFunction string

// waitScript, after mountedFunction, waits for at most $1 seconds until all of several mounts are there, each with three
// arguments as those of mountedFunction.
//
// It looks every 50 ms, or every second where sleep takes no fractions, in a process of its own, since a file system that
// nobody serves may let it hang. That process ends the sleep for which the script waits. If the time is up, the script says
// what is wrong, where kubelet and people find it: kubelet drops the output of a hook (Kubernetes 1.37).
//
//go:embed scripts/await.sh
var waitScript string

// masterScript, before superviseScript, gives the masters $1 and a number, in the client's options, the namespace $2:
// Alluxio's chart writes the addresses of several masters for their own namespace.
//
//go:embed scripts/masters.sh
var masterScript string

// What containers run, put together of the files in scripts: superviseScript and, for a mount point that other pods of
// the node have too, sharedScript as commands, awaitScript as a hook.
func superviseScript() string { return unmountFunction + superviseMain }
func sharedScript() string    { return unmountDeadFunction + superviseMain }
func awaitScript() string     { return mountedFunction + waitScript }

// crashExitCodes are what a client's exit code is when it was killed (137), aborted (134) or accessed memory that isn't
// there (139). A client that can't start at all exits otherwise and gets kubelet's ordinary back-off, which the rule
// RestartAllContainers doesn't have (Kubernetes 1.37).
func crashExitCodes() []int32 { return []int32{134, 137, 139} }

// nodeDirectory is where a sidecar sees the directory on the node in which each pod has its own for the sidecar's Dataset.
const nodeDirectory = "/run/kubectl-fluid/pods"

// isSupervised reports whether a client runs below superviseScript. Without a command the image's own entry point
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
	script, own := superviseScript(), ""
	if variant.Shared {
		script = sharedScript()
	}
	if hasOwnDirectory(sidecar, variant) {
		own = escapeVariables(path.Join(ownDirectory, sidecar.MountDirectory))
	}
	words := []string{escapeVariables(sidecar.MountPath), nodeDirectory, own, strings.Join(anew, " ")}
	if sidecar.Masters != "" {
		script, words = escapeVariables(masterScript)+script, slices.Concat([]string{sidecar.Masters, sidecar.MastersNamespace}, words)
	}
	container.Command = slices.Concat([]string{"sh", "-c", script, "supervise"}, words, container.Command, container.Args)
	container.Args = nil
}

// mountHook is the postStart hook that waits for the mount. Kubelet leaves the words of a hook alone (Kubernetes 1.37).
func mountHook(sidecar *reference.Sidecar) *corev1.LifecycleHandler {
	return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", awaitScript(), "await",
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
