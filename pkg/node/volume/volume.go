// Package volume is what the node plugin, the program that it delivers into sidecars, and whoever makes pods with its
// volumes agree on: names, paths and exit codes. It depends on nothing.
//
// A pod has two kinds of ephemeral inline volumes (CSI) of the Driver. The broker is for the sidecar alone: it has the
// program that starts the FUSE client, and the socket where the client gets its mount. The data volumes are for the
// containers that read: each becomes the client's file system, or a path in it, once the client answers.
package volume

// Driver is the name of the CSI driver.
const Driver = "fuse.kubectl-fluid.dev"

// TopologyLabel is a label of each node where the plugin has registered; its value is TopologyValue. Kubelet sets it, and
// leaves it on the node when the plugin is removed (Kubernetes 1.37).
const (
	TopologyLabel = Driver + "/node"
	TopologyValue = "true"
)

// Namespace is that of the plugin's own objects.
const Namespace = "kubectl-fluid-node"

// The keys of volumeAttributes. The plugin refuses others.
const (
	// AttributeRole says what a volume is: RoleBroker or RoleData.
	AttributeRole = "role"
	// AttributeClient pairs a broker with the data volumes of the same pod: the name of the sidecar's container.
	AttributeClient = "client"
	// AttributeSubPath, of data volumes, is a path in the client's file system: relative, without "..". Empty means all.
	// Symbolic links in it may not lead out of the file system, and may not be absolute.
	AttributeSubPath = "subPath"
	// AttributeOptions, of brokers, are the kernel's mount options for FUSE, separated by commas. See Options.
	AttributeOptions = "options"
)

// The values of AttributeRole.
const (
	RoleBroker = "broker"
	RoleData   = "data"
)

// The words of AttributeOptions. The plugin refuses others. It always adds nosuid, nodev and allow_other.
const (
	// OptionReadOnly makes the whole file system read-only. One data volume alone is made so by the field readOnly of its
	// CSI volume.
	OptionReadOnly = "ro"
	// OptionDefaultPermissions has the kernel check modes and owners, rather than the client.
	OptionDefaultPermissions = "default_permissions"
	// OptionMaxRead, with "=" and a number of bytes, limits one read.
	OptionMaxRead = "max_read"
	// OptionNoExec forbids to run programs from the file system.
	OptionNoExec = "noexec"
)

// MountPath is where a sidecar mounts its broker, read-only.
const MountPath = "/run/kubectl-fluid/broker"

// The files in a broker.
const (
	// Program starts a FUSE client, and waits for its mount.
	Program = "fluid-fuse"
	// Fusermount and Fusermount3 are the same program, which then does for a client what fusermount would.
	Fusermount  = "fusermount"
	Fusermount3 = "fusermount3"
	// Device is an empty file that everybody may write. Mounted at DevicePath (subPath, not read-only), it makes libfuse
	// clients go on to fusermount: in each version seen (2.9 to 3.17), libfuse gives up if it can't open that path, and runs
	// fusermount if mount(2) is refused.
	Device = "dev-fuse"
	// Socket is where the plugin listens.
	Socket = "socket"
)

// DevicePath is where FUSE clients expect their device.
const DevicePath = "/dev/fuse"

// ProgramPath is the program in a sidecar.
const ProgramPath = MountPath + "/" + Program

// FusermountPath is a path at which libfuse may have been built to run fusermount, and the File of the broker to mount
// there, by subPath, read-only.
type FusermountPath struct{ Path, File string }

// FusermountPaths returns the paths at which clients run fusermount whatever PATH says: Debian's, Alpine's and Red Hat's.
func FusermountPaths() []FusermountPath {
	return []FusermountPath{
		{"/bin/fusermount", Fusermount},
		{"/usr/bin/fusermount", Fusermount},
		{"/bin/fusermount3", Fusermount3},
		{"/usr/bin/fusermount3", Fusermount3},
	}
}

// The subcommands of Program.
//
//	fluid-fuse run [--masters PREFIX --namespace NAMESPACE] -- COMMAND ARGUMENT…
//	fluid-fuse wait --timeout 110s
const (
	// CommandRun is a sidecar's entry point: it runs the client and ends with its exit code, but for ExitRestartAll.
	CommandRun = "run"
	// CommandWait is a sidecar's postStart hook: it ends with 0 once all data volumes of the client are there. Otherwise it
	// ends with 1 and says why in the container's termination message, TerminationMessageBytes at most.
	CommandWait = "wait"
	// FlagTimeout, of CommandWait, is a Go duration. Kubelet's own limit for a hook is the pod's grace period at its end.
	FlagTimeout = "--timeout"
	// FlagMasters and FlagNamespace, of CommandRun, complete the addresses of Alluxio's masters, whose names are the prefix
	// and a number, by the namespace, in the environment's ALLUXIO_JAVA_OPTS.
	FlagMasters   = "--masters"
	FlagNamespace = "--namespace"
)

// ExitRestartAll is CommandRun's exit code when the client's file system was there and its client ended by itself,
// whatever the client's own code: containers that mounted it have a dead mount, and must start anew. A sidecar has a
// restart rule RestartAllContainers for it. Kubelet doesn't delay those (Kubernetes 1.37), therefore a client that ends
// before it has mounted never gives this code.
const ExitRestartAll = 213

// ExitCodesToRestartAll are those of a sidecar's restart rule: ExitRestartAll, and those of a program that was itself
// aborted (134), killed together with its container (137), or accessed memory that isn't there (139).
func ExitCodesToRestartAll() []int32 { return []int32{ExitRestartAll, 134, 137, 139} }

// TerminationMessagePath is kubelet's default, where CommandWait writes; it's TerminationMessageBytes at most.
const (
	TerminationMessagePath  = "/dev/termination-log"
	TerminationMessageBytes = 1024
)
