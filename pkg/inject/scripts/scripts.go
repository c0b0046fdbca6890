// Package scripts has the shell programs of privileged sidecars, which run in whatever image a FUSE client has: each is a
// file, and nothing is pasted into it.
package scripts

import _ "embed"

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
//go:embed supervise.sh
var superviseMain string

// unmountFunction takes every mount off.
//
//go:embed unmount.sh
var unmountFunction string

// unmountDeadFunction takes dead mounts off, for a mount point that other pods of the node have too: one that answers may
// be another pod's.
//
//go:embed unmount-dead.sh
var unmountDeadFunction string

// mountedFunction succeeds if a file system whose type or source has $2 in it is mounted exactly at $1, answers, and has
// the path $3, which leads to a place within it: through a symbolic link that leads out, the app would get a directory of
// its node.
//
//go:embed mounted.sh
var mountedFunction string

// awaitMain, after mountedFunction, waits for at most $1 seconds until all of several mounts are there, each with three
// arguments as those of mountedFunction.
//
// It looks every 50 ms, or every second where sleep takes no fractions, in a process of its own, since a file system that
// nobody serves may let it hang. That process ends the sleep for which the script waits. If the time is up, the script says
// what is wrong, where kubelet and people find it: kubelet drops the output of a hook (Kubernetes 1.37).
//
//go:embed await.sh
var awaitMain string

// masters, before Supervise, gives the masters $1 and a number, in the client's options, the namespace $2:
// Alluxio's chart writes the addresses of several masters for their own namespace.
//
//go:embed masters.sh
var masters string

// Supervise is a command: it starts the FUSE client that its arguments are, and unmounts when the client has ended.
func Supervise() string { return unmountFunction + superviseMain }

// SuperviseShared is Supervise for a mount point that other pods of the node have too.
func SuperviseShared() string { return unmountDeadFunction + superviseMain }

// Await is a hook: it waits for mounts.
func Await() string { return mountedFunction + awaitMain }

// Masters comes before Supervise where a client's options name masters without their namespace.
func Masters() string { return masters }
