package inject

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// superviseScript runs a FUSE client ($2…) that mounts at $1. A mount that an earlier client left behind is taken off
// before: on a dead one a new client fails with ENOTCONN. It is also taken off when the client has ended, however it
// ended, so that nothing stays on the node; kubelet ends a sidecar after the app, but runs its preStop before
// (Kubernetes 1.37), which is therefore no place to unmount. The client's exit code is passed on.
//
// The words of the command come as arguments: nothing is pasted into the script.
const superviseScript = `path=$1; shift
mounted() {
  while read -r id parent device root at rest; do [ "$at" = "$path" ] && return 0; done </proc/self/mountinfo
  return 1
}
unmount() { while mounted; do umount -l "$path" || return; done; }
unmount
"$@" & client=$!
trap 'kill -TERM "$client" 2>/dev/null' TERM INT
while :; do
  wait "$client"; code=$?
  kill -0 "$client" 2>/dev/null || break
done
unmount
exit "$code"
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

// supervised wraps a container's command. Without a command the image's own entry point runs, unknown here: then the
// client has to unmount on SIGTERM itself.
func supervised(container *corev1.Container, mountPath string) {
	if len(container.Command) == 0 {
		return
	}
	client := append(append([]string{}, container.Command...), container.Args...)
	container.Command = append([]string{"sh", "-c", superviseScript, "supervise", escapeVariables(mountPath)}, client...)
	container.Args = nil
}

// mountProbe is the startup probe: the app starts when the data is there.
func mountProbe(mountPath, mountType, subPath string) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{
			Command: []string{"sh", "-c", mountedScript, "mounted", escapeVariables(mountPath), mountType, escapeVariables(subPath)},
		}},
		PeriodSeconds:    1,
		TimeoutSeconds:   5,
		FailureThreshold: 120,
	}
}

// escapeVariables keeps kubelet from replacing $(NAME) in a word of a command, as it does in those of the client.
func escapeVariables(word string) string { return strings.ReplaceAll(word, "$(", "$$(") }
