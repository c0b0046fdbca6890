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
// A SIGTERM that comes while the client is being started is sent on as soon as the client's number is known, and again
// when it has surely begun: a child that the shell has just forked still swallows it.
//
// The words of the command come as arguments: nothing is pasted into the script. Its variables have names of their own:
// a shell hands a variable on to the client if the container's environment has it.
const superviseScript = `fluid_path=$1 fluid_all=$2 fluid_own=$3 fluid_anew=$4; shift 4
fluid_mounted() (
  while read -r id parent device root at rest; do [ "$at" = "$fluid_path" ] && exit 0; done </proc/self/mountinfo
  exit 1
)
fluid_unmount() { while fluid_mounted; do umount -l "$fluid_path" || return; done; }
fluid_leave() {
  fluid_unmount
  case " $fluid_anew " in *" $1 "*) fluid_told=1 ;; esac
  [ -z "$fluid_told" ] || [ -z "$fluid_own" ] || (cd "$fluid_all" && rmdir -p "$fluid_own")
  exit "$1"
}
fluid_client= fluid_ended= fluid_told=
trap 'fluid_ended=1 fluid_told=1; [ -z "$fluid_client" ] || kill -TERM "$fluid_client" 2>/dev/null' TERM INT
fluid_unmount
[ -z "$fluid_ended" ] || fluid_leave 143
"$@" & fluid_client=$!
[ -z "$fluid_ended" ] || { kill -TERM "$fluid_client"; sleep 1; kill -TERM "$fluid_client"; } 2>/dev/null
while :; do
  fluid_ended=
  wait "$fluid_client"; fluid_code=$?
  [ -n "$fluid_ended" ] && kill -0 "$fluid_client" 2>/dev/null || break
done
fluid_leave "$fluid_code"
`

// mountedScript succeeds if a file system whose type or source has $2 in it is mounted exactly at $1, answers, and has
// the path $3.
const mountedScript = `while read -r id parent device root at rest; do
  [ "$at" = "$1" ] || continue
  case "${rest#* - }" in *"$2"*) [ -e "$1/$3" ] && exit 0 ;; esac
done </proc/self/mountinfo
exit 1
`

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
	client := slices.Concat(container.Command, container.Args)
	container.Command = slices.Concat([]string{"sh", "-c", superviseScript, "supervise", escapeVariables(sidecar.MountPath),
		nodeDirectory, escapeVariables(path.Join(ownDirectory, sidecar.MountDirectory)), strings.Join(anew, " ")}, client)
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
		FailureThreshold: 120,
	}
}

// escapeVariables keeps kubelet from reading $(NAME) and $$ in a word of a command, as it does in those of the client.
func escapeVariables(word string) string { return strings.ReplaceAll(word, "$", "$$") }
