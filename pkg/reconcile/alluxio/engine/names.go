package engine

import (
	"maps"
	"path"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// RuntimeType is the type of an AlluxioRuntime in a Dataset's status.
const RuntimeType = "alluxio"

// Marks of this project.
const (
	// LabelJob says on a Job and its pod what it does: mount or count.
	LabelJob = "kubectl-fluid.dev/job"
	// Finalizer keeps an AlluxioRuntime until this engine has taken it down.
	Finalizer = "kubectl-fluid.dev/alluxio-runtime"
	// AnnotationServedBy says on an AlluxioRuntime that this engine serves it.
	AnnotationServedBy = "kubectl-fluid.dev/served-by"
	// ServedBy is the value of AnnotationServedBy.
	ServedBy = "kubectl-fluid"
	// ConditionMounted is the readiness gate of a master: whether it has every mount of its Dataset.
	ConditionMounted = "kubectl-fluid.dev/mounted"
	// AnnotationConfigHash on a pod template restarts its pods when what they read at their start changes.
	AnnotationConfigHash = "kubectl-fluid.dev/config-hash"
)

// Roles of the pods, which their label role has, as Fluid v1.0.8 labels them; roleJob is this project's.
const (
	// RoleMaster is that of masters.
	RoleMaster = "alluxio-master"
	// RoleWorker is that of workers.
	RoleWorker = "alluxio-worker"
	roleFuse   = "alluxio-fuse"
	roleJob    = "alluxio-job"
)

// Ports of Alluxio in a container network (Fluid v1.0.8 draws others only for the node's network).
const (
	portMasterRPC = 19998
	// PortMasterWeb is where a master says of itself what MasterInfo has.
	PortMasterWeb              = 19999
	portJobMasterRPC           = 20001
	portJobMasterWeb           = 20002
	portMasterJournal          = 19200
	portJobMasterJournal       = 20003
	portWorkerRPC              = 29999
	portWorkerWeb              = 30000
	portJobWorkerRPC           = 30001
	portJobWorkerData          = 30002
	portJobWorkerWeb           = 30003
	rootUFS                    = "/underFSStorage"
	journalDirectory           = "/journal"
	secretsDirectory           = "/etc/fluid/secrets"
	siteDirectory              = "/etc/kubectl-fluid/alluxio"
	defaultUser          int64 = 1000
)

// DefaultMountRoot is Fluid's default directory on the nodes for FUSE mounts.
const DefaultMountRoot = "/runtime-mnt"

// ConfigName is the name of the ConfigMap that all components read, also sidecars.
func ConfigName(runtime string) string { return runtime + "-config" }

// MountConfigName is the name of the ConfigMap that says what is mounted.
func MountConfigName(runtime string) string { return runtime + "-mount-config" }

// MasterName is the name of the masters' StatefulSet, and of the Service by which they find each other.
func MasterName(runtime string) string { return runtime + "-master" }

// MasterPod is the name of a master's pod, and of the Service by which clients find it once it is ready.
func MasterPod(runtime string, ordinal int) string {
	return MasterName(runtime) + "-" + strconv.Itoa(ordinal)
}

// WorkerName is the name of the workers' StatefulSet, and of the Service by which everybody finds them.
func WorkerName(runtime string) string { return runtime + "-worker" }

// FuseName is the name of the DaemonSet whose template sidecars are made from.
func FuseName(runtime string) string { return runtime + "-fuse" }

// PolicyName is the name of the NetworkPolicy of masters and workers.
func PolicyName(runtime string) string { return runtime + "-alluxio" }

// fuseDirectory is the runtime's directory on the nodes; the mount is within it.
func (e *Engine) fuseDirectory() string {
	return path.Join(e.settings.MountRoot, RuntimeType, e.runtime.Namespace, e.runtime.Name)
}

func (e *Engine) fuseMount() string { return path.Join(e.fuseDirectory(), "alluxio-fuse") }

// labels returns Fluid's labels of a component's objects; those that say that Helm made them say who did.
func (e *Engine) labels(role string) map[string]string {
	labels := map[string]string{
		"app":                        "alluxio",
		"release":                    e.runtime.Name,
		"app.kubernetes.io/name":     "alluxio",
		"app.kubernetes.io/instance": e.runtime.Name,
		// Fluid has Helm here.
		"app.kubernetes.io/managed-by": ServedBy,
		datav1alpha1.LabelManagedBy:    "fluid",
		datav1alpha1.LabelDatasetID:    reference.DatasetID(e.dataset),
		reference.LabelDatasetUID:      string(e.dataset.UID),
	}
	if role != "" {
		labels["role"] = role
	}
	return labels
}

// selector returns the labels by which a component's pods are known; they never change.
func (e *Engine) selector(role string) map[string]string {
	return map[string]string{"app": "alluxio", "release": e.runtime.Name, "role": role}
}

// meta is the metadata of an object that Kubernetes deletes with the AlluxioRuntime.
func (e *Engine) meta(name, role string, more map[string]string) metav1.ObjectMeta {
	labels := e.labels(role)
	maps.Copy(labels, more)
	controller, block := true, false
	return metav1.ObjectMeta{Name: name, Namespace: e.runtime.Namespace, Labels: labels,
		OwnerReferences: []metav1.OwnerReference{{APIVersion: datav1alpha1.GroupVersion.String(), Kind: datav1alpha1.AlluxioRuntimeKind,
			Name: e.runtime.Name, UID: e.runtime.UID, Controller: &controller, BlockOwnerDeletion: &block}}}
}

func (e *Engine) key() types.NamespacedName {
	return types.NamespacedName{Namespace: e.dataset.Namespace, Name: e.dataset.Name}
}
