package inject

import (
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// superviseScript runs a FUSE client ($2…) that mounts at $1. A mount that an earlier client left behind is taken off
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
const superviseScript = `fluid_path=$1 fluid_all=$2 fluid_own=$3 fluid_anew=$4; shift 4
fluid_mounted() (
  while read -r id parent device root at rest; do [ "$at" = "$fluid_path" ] && exit 0; done </proc/self/mountinfo
  exit 1
)
fluid_unmount() { while fluid_mounted; do umount -l "$fluid_path" || return; done; }
fluid_window() { read -r fluid_now fluid_idle </proc/uptime; fluid_now=${fluid_now%.*}; fluid_now=${fluid_now%??}; }
fluid_leave() {
  fluid_code=$1
  fluid_window
  case " $fluid_anew " in *" $fluid_code "*)
    if fluid_mounted || [ "$fluid_now" != "$fluid_began" ]; then fluid_told=1
    else echo "the FUSE client ended with $fluid_code and had not mounted" >&2; fluid_code=1; fi ;;
  esac
  fluid_unmount
  [ -z "$fluid_told" ] || [ -z "$fluid_own" ] || (cd "$fluid_all" && rmdir -p "$fluid_own")
  exit "$fluid_code"
}
fluid_client= fluid_code= fluid_ended= fluid_told=
fluid_window; fluid_began=$fluid_now
trap 'fluid_ended=1 fluid_told=1; [ -z "$fluid_client" ] || kill -TERM "$fluid_client" 2>/dev/null' TERM INT
fluid_unmount
[ -z "$fluid_ended" ] || fluid_leave 143
"$@" & fluid_client=$!
[ -z "$fluid_ended" ] || { kill -TERM "$fluid_client"; sleep 1; kill -TERM "$fluid_client"; } 2>/dev/null
while :; do
  fluid_ended=
  wait "$fluid_client"; fluid_again=$?
  [ "$fluid_again" = 127 ] && [ -n "$fluid_code" ] || fluid_code=$fluid_again
  [ -n "$fluid_ended" ] || break
done
fluid_leave "$fluid_code"
`

// mountedFunction succeeds if a file system whose type or source has $2 in it is mounted exactly at $1, answers, and has
// the path $3, which leads to a place within it: through a symbolic link that leads out, the app would get a directory of
// its node.
const mountedFunction = `fluid_inside() (
  [ -e "$1/$2" ] || exit 1
  [ -n "$2" ] || exit 0
  at=$1/$2
  if [ ! -d "$at" ]; then
    [ ! -L "$at" ] || exit 1
    at=${at%/*}
  fi
  cd -P "$at" || exit 1
  case "$PWD/" in "$1"/*) exit 0 ;; esac
  exit 1
)
fluid_mounted() (
  while read -r id parent device root at rest; do
    [ "$at" = "$1" ] || continue
    case "${rest#* - }" in *"$2"*) fluid_inside "$1" "$3" && exit 0 ;; esac
  done </proc/self/mountinfo
  exit 1
)
`

// mountedScript is mountedFunction for the three arguments of a probe.
const mountedScript = mountedFunction + `fluid_mounted "$1" "$2" "$3"
`

// awaitScript waits for at most $1 seconds until all of several mounts are there, each with three arguments as those of
// mountedFunction.
const awaitScript = `fluid_left=$1; shift
` + mountedFunction + `while [ $# -gt 0 ]; do
  if fluid_mounted "$1" "$2" "$3"; then shift 3; continue; fi
  [ "$fluid_left" -gt 0 ] || { echo "no file system $2 with the path /$3 is mounted at $1" >&2; exit 1; }
  fluid_left=$((fluid_left - 1)); sleep 1
done
`

// masterScript, before superviseScript, gives the masters $1 and a number, in the client's options, the namespace $2:
// Alluxio's chart writes the addresses of several masters for their own namespace.
const masterScript = `fluid_masters=$1 fluid_namespace=$2; shift 2
fluid_options=$(printf %s "$ALLUXIO_JAVA_OPTS" | sed "s/\([=,]$fluid_masters[0-9][0-9]*\):/\1.$fluid_namespace:/g") && export ALLUXIO_JAVA_OPTS="$fluid_options"
`

// sharedScript is superviseScript for a mount point that other pods of the node have too. It only takes dead mounts off:
// one that answers may be another pod's.
func sharedScript() string {
	return strings.Replace(superviseScript, `while fluid_mounted; do`, `while fluid_mounted && ! [ -e "$fluid_path" ]; do`, 1)
}

// crashExitCodes are what a client's exit code is when it was killed (137), aborted (134) or accessed memory that isn't
// there (139). A client that can't start at all exits otherwise and gets kubelet's ordinary back-off, which the rule
// RestartAllContainers doesn't have (Kubernetes 1.37).
func crashExitCodes() []int32 { return []int32{134, 137, 139} }

// nodeDirectory is where a sidecar sees the directory on the node in which each pod has its own for the sidecar's Dataset.
const nodeDirectory = "/run/kubectl-fluid/pods"

// isSupervised reports whether a client runs below the superviseScript. Without a command the image's own entry point
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
	script, own := superviseScript, ""
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

// mountProbe is the startup probe: the app starts when the data is there.
func mountProbe(sidecar *reference.Sidecar) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{
			Command: []string{"sh", "-c", mountedScript, "mounted",
				escapeVariables(sidecar.MountPath), escapeVariables(sidecar.MountType), escapeVariables(sidecar.SubPath)},
		}},
		PeriodSeconds:    1,
		TimeoutSeconds:   5,
		FailureThreshold: int32(sidecar.MountTimeout.Seconds()),
	}
}

// mountHook is the postStart hook that stands for the startup probe in classic mode. Kubelet leaves the words of a hook
// alone (Kubernetes 1.37).
func mountHook(sidecar *reference.Sidecar) *corev1.LifecycleHandler {
	return &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sh", "-c", awaitScript, "await",
		strconv.Itoa(int(sidecar.MountTimeout.Seconds())), sidecar.MountPath, sidecar.MountType, sidecar.SubPath}}}
}

// escapeVariables keeps kubelet from reading $(NAME) and $$ in a word of a command, as it does in those of the client.
func escapeVariables(word string) string { return strings.ReplaceAll(word, "$", "$$") }
