package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kinds of the runtimes defined here.
const (
	ThinRuntimeKind        = "ThinRuntime"
	ThinRuntimeProfileKind = "ThinRuntimeProfile"
)

// RuntimePhase says how many of a runtime's pods are ready.
type RuntimePhase string

// Phases of a runtime's component.
const (
	RuntimePhaseNone         RuntimePhase = ""
	RuntimePhaseNotReady     RuntimePhase = "NotReady"
	RuntimePhasePartialReady RuntimePhase = "PartialReady"
	RuntimePhaseReady        RuntimePhase = "Ready"
)

// ThinRuntime serves a Dataset with any FUSE client. Its profile says how; without a profile it stands for a reference
// to another Dataset, as Fluid has it since v0.9.0.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:printcolumn:name="Profile",type=string,JSONPath=`.spec.profileName`
// +kubebuilder:printcolumn:name="Ready Fuses",type=integer,JSONPath=`.status.fuseNumberReady`,priority=10
// +kubebuilder:printcolumn:name="Desired Fuses",type=integer,JSONPath=`.status.desiredFuseNumberScheduled`,priority=10
// +kubebuilder:printcolumn:name="Fuse Phase",type=string,JSONPath=`.status.fusePhase`
// +kubebuilder:printcolumn:name="Mount",type=string,JSONPath=`.status.mounts[0].mountPoint`,priority=10
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ThinRuntime struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ThinRuntimeSpec `json:"spec,omitempty"`
	Status RuntimeStatus   `json:"status,omitempty"`
}

// ThinRuntimeList is a list of ThinRuntimes.
// +kubebuilder:object:root=true
type ThinRuntimeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ThinRuntime `json:"items"`
}

// ThinRuntimeSpec says how a ThinRuntime serves its Dataset; what it leaves open comes from its profile.
// +kubebuilder:pruning:PreserveUnknownFields
type ThinRuntimeSpec struct {
	// ProfileName is the ThinRuntimeProfile. Empty if and only if this runtime stands for a reference.
	// +optional
	ProfileName string `json:"profileName,omitempty"`

	// Fuse describes the FUSE client.
	// +optional
	Fuse *ThinFuseSpec `json:"fuse,omitempty"`

	// Volumes that the FUSE client's volumeMounts may use.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Volumes []corev1.Volume `json:"volumes,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
}

// FuseSpec returns what the spec says of the FUSE client; it is never nil. (The field is a pointer because the runtimes
// of references, of which there may be thousands in memory, have none.)
func (s *ThinRuntimeSpec) FuseSpec() *ThinFuseSpec {
	if s.Fuse == nil {
		return &ThinFuseSpec{}
	}
	return s.Fuse
}

// ThinFuseSpec describes the FUSE client.
// +kubebuilder:pruning:PreserveUnknownFields
type ThinFuseSpec struct {
	// +optional
	Image string `json:"image,omitempty"`
	// +optional
	ImageTag string `json:"imageTag,omitempty"`
	// +optional
	ImagePullPolicy string `json:"imagePullPolicy,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Ports []corev1.ContainerPort `json:"ports,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Env []corev1.EnvVar `json:"env,omitempty"`

	// +optional
	Command []string `json:"command,omitempty"`
	// +optional
	Args []string `json:"args,omitempty"`

	// Options of the FUSE client; they reach it as MOUNT_OPTIONS.
	// +optional
	Options map[string]string `json:"options,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Resources corev1.ResourceRequirements `json:"resources,omitempty"`

	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// +kubebuilder:validation:Enum="";OnDemand;OnRuntimeDeleted;OnFuseChanged
	// +optional
	CleanPolicy string `json:"cleanPolicy,omitempty"`

	// NetworkMode of the DaemonSet's pods; empty means HostNetwork. A sidecar is in its pod's network.
	// +kubebuilder:validation:Enum=HostNetwork;"";ContainerNetwork
	// +optional
	NetworkMode string `json:"networkMode,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	LivenessProbe *corev1.Probe `json:"livenessProbe,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	ReadinessProbe *corev1.Probe `json:"readinessProbe,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Lifecycle *corev1.Lifecycle `json:"lifecycle,omitempty"`

	// +optional
	PodMetadata PodMetadata `json:"podMetadata,omitempty"`
}

// PodMetadata is put on the pods of a component.
// +kubebuilder:pruning:PreserveUnknownFields
type PodMetadata struct {
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
}

// RuntimeStatus is the status that all of Fluid's runtimes but CacheRuntime share.
// +kubebuilder:pruning:PreserveUnknownFields
type RuntimeStatus struct {
	// ValueFile names the ConfigMap of the Helm release, if there is one.
	ValueFile string `json:"valueFile"`

	MasterPhase RuntimePhase `json:"masterPhase"`
	// +optional
	MasterReason string       `json:"masterReason,omitempty"`
	WorkerPhase  RuntimePhase `json:"workerPhase"`
	// +optional
	WorkerReason                 string `json:"workerReason,omitempty"`
	DesiredMasterNumberScheduled int32  `json:"desiredMasterNumberScheduled"`
	CurrentMasterNumberScheduled int32  `json:"currentMasterNumberScheduled"`
	MasterNumberReady            int32  `json:"masterNumberReady"`
	DesiredWorkerNumberScheduled int32  `json:"desiredWorkerNumberScheduled"`
	CurrentWorkerNumberScheduled int32  `json:"currentWorkerNumberScheduled"`
	WorkerNumberReady            int32  `json:"workerNumberReady"`
	// +optional
	WorkerNumberAvailable int32 `json:"workerNumberAvailable,omitempty"`
	// +optional
	WorkerNumberUnavailable int32 `json:"workerNumberUnavailable,omitempty"`

	FusePhase RuntimePhase `json:"fusePhase"`
	// +optional
	FuseReason                 string `json:"fuseReason,omitempty"`
	CurrentFuseNumberScheduled int32  `json:"currentFuseNumberScheduled"`
	DesiredFuseNumberScheduled int32  `json:"desiredFuseNumberScheduled"`
	FuseNumberReady            int32  `json:"fuseNumberReady"`
	// +optional
	FuseNumberAvailable int32 `json:"fuseNumberAvailable,omitempty"`
	// +optional
	FuseNumberUnavailable int32 `json:"fuseNumberUnavailable,omitempty"`

	// SetupDuration is how long the set-up took, as a Go duration such as 4m51s.
	// +optional
	SetupDuration string `json:"setupDuration,omitempty"`
	// +optional
	Conditions []RuntimeCondition `json:"conditions,omitempty"`
	// +optional
	CacheStates map[string]string `json:"cacheStates,omitempty"`
	// +optional
	Selector string `json:"selector,omitempty"`
	// +optional
	APIGatewayStatus *APIGatewayStatus `json:"apiGateway,omitempty"`
	// +optional
	MountTime *metav1.Time `json:"mountTime,omitempty"`
	// Mounts that are in effect. For a reference its own mount: Fluid finds the physical Dataset there once the
	// reference is gone.
	// +optional
	Mounts []Mount `json:"mounts,omitempty"`
	// CacheAffinity is the node affinity of pods that want to be near the cache.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	CacheAffinity *corev1.NodeAffinity `json:"cacheAffinity,omitempty"`
}

// APIGatewayStatus is where a runtime's API gateway is.
// +kubebuilder:pruning:PreserveUnknownFields
type APIGatewayStatus struct {
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
}

// RuntimeCondition is one observation of a runtime.
// +kubebuilder:pruning:PreserveUnknownFields
type RuntimeCondition struct {
	Type   string                 `json:"type"`
	Status corev1.ConditionStatus `json:"status"`
	// +optional
	Reason string `json:"reason,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	LastProbeTime metav1.Time `json:"lastProbeTime,omitempty"`
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
}
