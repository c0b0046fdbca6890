package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlluxioRuntimeKind is the kind of an AlluxioRuntime.
const AlluxioRuntimeKind = "AlluxioRuntime"

// FinalizerFluidAlluxioRuntime is the finalizer of Fluid's alluxioruntime-controller (v1.0.8).
const FinalizerFluidAlluxioRuntime = "alluxio-runtime-controller-finalizer"

// AlluxioRuntime serves a Dataset from a cache of Alluxio masters and workers. It has the Dataset's name. Fluid's type has
// more fields than this one: they survive here, and whoever serves the runtime names those that it doesn't honour.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.currentWorkerNumberScheduled,selectorpath=.status.selector
// +kubebuilder:resource:scope=Namespaced,shortName=alluxio,categories=fluid
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:printcolumn:name="Ready Masters",type=integer,JSONPath=`.status.masterNumberReady`,priority=10
// +kubebuilder:printcolumn:name="Desired Masters",type=integer,JSONPath=`.status.desiredMasterNumberScheduled`,priority=10
// +kubebuilder:printcolumn:name="Master Phase",type=string,JSONPath=`.status.masterPhase`
// +kubebuilder:printcolumn:name="Ready Workers",type=integer,JSONPath=`.status.workerNumberReady`,priority=10
// +kubebuilder:printcolumn:name="Desired Workers",type=integer,JSONPath=`.status.desiredWorkerNumberScheduled`,priority=10
// +kubebuilder:printcolumn:name="Worker Phase",type=string,JSONPath=`.status.workerPhase`
// +kubebuilder:printcolumn:name="Ready Fuses",type=integer,JSONPath=`.status.fuseNumberReady`,priority=10
// +kubebuilder:printcolumn:name="Desired Fuses",type=integer,JSONPath=`.status.desiredFuseNumberScheduled`,priority=10
// +kubebuilder:printcolumn:name="Fuse Phase",type=string,JSONPath=`.status.fusePhase`
// +kubebuilder:printcolumn:name="API Gateway",type=string,JSONPath=`.status.apiGateway.endpoint`,priority=10
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type AlluxioRuntime struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   AlluxioRuntimeSpec `json:"spec,omitempty"`
	Status RuntimeStatus      `json:"status,omitempty"`
}

// AlluxioRuntimeList is a list of AlluxioRuntimes.
// +kubebuilder:object:root=true
type AlluxioRuntimeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AlluxioRuntime `json:"items"`
}

// AlluxioRuntimeSpec says how Alluxio serves a Dataset.
// +kubebuilder:pruning:PreserveUnknownFields
type AlluxioRuntimeSpec struct {
	// AlluxioVersion is the image of masters and workers.
	// +optional
	AlluxioVersion VersionSpec `json:"alluxioVersion,omitempty"`

	// Master describes the masters; with three replicas they keep an embedded journal among them.
	// +optional
	Master AlluxioComponentSpec `json:"master,omitempty"`
	// +optional
	JobMaster AlluxioComponentSpec `json:"jobMaster,omitempty"`
	// +optional
	Worker AlluxioComponentSpec `json:"worker,omitempty"`
	// +optional
	JobWorker AlluxioComponentSpec `json:"jobWorker,omitempty"`

	// Fuse describes the FUSE client, of which sidecars are made.
	// +optional
	Fuse AlluxioFuseSpec `json:"fuse,omitempty"`

	// Properties of Alluxio for all components; they win over what the controller sets.
	// +optional
	Properties map[string]string `json:"properties,omitempty"`
	// JvmOptions for all components.
	// +optional
	JvmOptions []string `json:"jvmOptions,omitempty"`

	// TieredStore is where workers cache.
	// +optional
	TieredStore TieredStore `json:"tieredstore,omitempty"`

	// Replicas is the number of workers.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Replicas int32 `json:"replicas,omitempty"`

	// RunAs is the user of masters, workers and Jobs; 1000:1000 if it is empty.
	// +optional
	RunAs *User `json:"runAs,omitempty"`

	// DisablePrometheus leaves out the label by which Fluid's monitoring finds the masters' Services.
	// +optional
	DisablePrometheus bool `json:"disablePrometheus,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
}

// VersionSpec is an image.
// +kubebuilder:pruning:PreserveUnknownFields
type VersionSpec struct {
	// +optional
	Image string `json:"image,omitempty"`
	// +optional
	ImageTag string `json:"imageTag,omitempty"`
	// +optional
	ImagePullPolicy string `json:"imagePullPolicy,omitempty"`
}

// AlluxioComponentSpec describes one kind of Alluxio's processes.
// +kubebuilder:pruning:PreserveUnknownFields
type AlluxioComponentSpec struct {
	// Replicas of the masters, 1 or 3. The workers' are in the runtime's spec.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
	// +optional
	JvmOptions []string `json:"jvmOptions,omitempty"`
	// +optional
	Properties map[string]string `json:"properties,omitempty"`
	// +optional
	Env map[string]string `json:"env,omitempty"`

	// Resources of the container. The heap is derived from the memory limit.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`

	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// NetworkMode is HostNetwork or ContainerNetwork. This project's controller has only the latter.
	// +kubebuilder:validation:Enum=HostNetwork;"";ContainerNetwork
	// +optional
	NetworkMode string `json:"networkMode,omitempty"`
}

// AlluxioFuseSpec describes the FUSE client.
// +kubebuilder:pruning:PreserveUnknownFields
type AlluxioFuseSpec struct {
	// +optional
	Image string `json:"image,omitempty"`
	// +optional
	ImageTag string `json:"imageTag,omitempty"`
	// +optional
	ImagePullPolicy string `json:"imagePullPolicy,omitempty"`
	// +optional
	JvmOptions []string `json:"jvmOptions,omitempty"`
	// +optional
	Properties map[string]string `json:"properties,omitempty"`
	// +optional
	Env map[string]string `json:"env,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`

	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// +kubebuilder:validation:Enum=HostNetwork;"";ContainerNetwork
	// +optional
	NetworkMode string `json:"networkMode,omitempty"`
}

// TieredStore is the storage of workers, the fastest level first.
// +kubebuilder:pruning:PreserveUnknownFields
type TieredStore struct {
	// +optional
	Levels []Level `json:"levels,omitempty"`
}

// Media of a level.
const (
	MediumMemory = "MEM"
	MediumSSD    = "SSD"
	MediumHDD    = "HDD"
)

// Kinds of volumes of a level.
const (
	VolumeTypeHostPath = "hostPath"
	VolumeTypeEmptyDir = "emptyDir"
)

// Level is one kind of storage of a worker.
// +kubebuilder:pruning:PreserveUnknownFields
type Level struct {
	// +kubebuilder:validation:Enum=MEM;SSD;HDD
	MediumType string `json:"mediumtype"`

	// VolumeType is emptyDir if it is empty. (Fluid's own CRD fills in hostPath.)
	// +kubebuilder:validation:Enum="";hostPath;emptyDir
	// +optional
	VolumeType string `json:"volumeType,omitempty"`

	// Path of the level within the worker, or several, separated by commas.
	// +optional
	Path string `json:"path,omitempty"`

	// Quota for all paths together, such as 1Gi.
	// +optional
	Quota string `json:"quota,omitempty"`
	// QuotaList has a quota for each path, separated by commas.
	// +optional
	QuotaList string `json:"quotaList,omitempty"`

	// High is the part of the quota, such as 0.95, above which a worker evicts.
	// +optional
	High string `json:"high,omitempty"`
	// Low is the part of the quota down to which it evicts.
	// +optional
	Low string `json:"low,omitempty"`
}
