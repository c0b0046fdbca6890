package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DatasetKind is the kind of a Dataset.
const DatasetKind = "Dataset"

// DatasetPhase says how far a Dataset has come.
type DatasetPhase string

// Phases of a Dataset.
const (
	NonePhase          DatasetPhase = ""
	PendingPhase       DatasetPhase = "Pending"
	BoundPhase         DatasetPhase = "Bound"
	FailedPhase        DatasetPhase = "Failed"
	NotBoundPhase      DatasetPhase = "NotBound"
	UpdatingPhase      DatasetPhase = "Updating"
	DataMigratingPhase DatasetPhase = "DataMigrating"
)

// DatasetConditionType names a condition of a Dataset.
type DatasetConditionType string

// Condition types and reasons that Fluid's own controllers write.
const (
	DatasetReady    DatasetConditionType = "Ready"
	DatasetNotReady DatasetConditionType = "NotReady"

	DatasetReadyReason         = "DatasetReady"
	DatasetFailedToSetupReason = "DatasetFailedToSetup"
)

// AccelerateCategory is the only category of a runtime in DatasetStatus.Runtimes.
const AccelerateCategory = "Accelerate"

// Dataset is a set of data that a runtime caches, or, with one mount of the form dataset://namespace/name, a reference
// to the cache of another Dataset.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=dataset,categories=fluid
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:printcolumn:name="Ufs Total Size",type=string,JSONPath=`.status.ufsTotal`
// +kubebuilder:printcolumn:name="Cached",type=string,JSONPath=`.status.cacheStates.cached`
// +kubebuilder:printcolumn:name="Cache Capacity",type=string,JSONPath=`.status.cacheStates.cacheCapacity`
// +kubebuilder:printcolumn:name="Cached Percentage",type=string,JSONPath=`.status.cacheStates.cachedPercentage`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="HCFS URL",type=string,JSONPath=`.status.hcfs.endpoint`,priority=10
// +kubebuilder:printcolumn:name="TOTAL FILES",type=string,JSONPath=`.status.fileNum`,priority=11
// +kubebuilder:printcolumn:name="CACHE HIT RATIO",type=string,JSONPath=`.status.cacheStates.cacheHitRatio`,priority=10
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type Dataset struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   DatasetSpec   `json:"spec,omitempty"`
	Status DatasetStatus `json:"status,omitempty"`
}

// DatasetList is a list of Datasets.
// +kubebuilder:object:root=true
type DatasetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Dataset `json:"items"`
}

// DatasetSpec says which data a Dataset holds.
// +kubebuilder:pruning:PreserveUnknownFields
type DatasetSpec struct {
	// Mounts are the places where the data comes from. A reference has exactly one, dataset://namespace/name[/sub/path].
	// +kubebuilder:validation:MinItems=1
	// +optional
	Mounts []Mount `json:"mounts,omitempty"`

	// AccessModes of the PersistentVolume; ReadOnlyMany if there are none.
	// +optional
	AccessModes []corev1.PersistentVolumeAccessMode `json:"accessModes,omitempty"`

	// Owner is who the files belong to.
	// +optional
	Owner *User `json:"owner,omitempty"`

	// NodeAffinity restricts the nodes that may cache the data.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	NodeAffinity *CacheableNodeAffinity `json:"nodeAffinity,omitempty"`

	// Tolerations of the runtime's pods.
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// Runtimes that may serve this Dataset.
	// +optional
	Runtimes []Runtime `json:"runtimes,omitempty"`

	// Placement says whether several Datasets may share a node; empty means Exclusive.
	// +kubebuilder:validation:Enum=Exclusive;"";Shared
	// +optional
	Placement string `json:"placement,omitempty"`

	// SharedOptions apply to every mount.
	// +optional
	SharedOptions map[string]string `json:"sharedOptions,omitempty"`

	// SharedEncryptOptions apply to every mount; their values are in Secrets.
	// +optional
	SharedEncryptOptions []EncryptOption `json:"sharedEncryptOptions,omitempty"`

	// DataRestoreLocation is where a backup is to restore from.
	// +optional
	DataRestoreLocation *DataRestoreLocation `json:"dataRestoreLocation,omitempty"`
}

// User is a user and a group, by number and by name.
// +kubebuilder:pruning:PreserveUnknownFields
type User struct {
	UID       *int64 `json:"uid"`
	GID       *int64 `json:"gid"`
	UserName  string `json:"user"`
	GroupName string `json:"group"`
}

// DataRestoreLocation is a place with a DataBackup.
// +kubebuilder:pruning:PreserveUnknownFields
type DataRestoreLocation struct {
	// +optional
	Path string `json:"path,omitempty"`
	// +optional
	NodeName string `json:"nodeName,omitempty"`
}

// CacheableNodeAffinity holds the nodes that may cache a Dataset.
type CacheableNodeAffinity struct {
	Required *corev1.NodeSelector `json:"required,omitempty"`
}

// Mount is one source of a Dataset's data.
// +kubebuilder:pruning:PreserveUnknownFields
type Mount struct {
	// MountPoint is the source as a URL: dataset://namespace/name[/sub/path] refers to another Dataset.
	// +kubebuilder:validation:MinLength=5
	MountPoint string `json:"mountPoint"`

	// Name of the mount; without a path it appears as the directory /name.
	// +kubebuilder:validation:MinLength=0
	// +optional
	Name string `json:"name,omitempty"`

	// Path of the mount within the Dataset.
	// +optional
	Path string `json:"path,omitempty"`

	// +optional
	ReadOnly bool `json:"readOnly,omitempty"`
	// +optional
	Shared bool `json:"shared,omitempty"`

	// Options of the underlying storage.
	// +optional
	Options map[string]string `json:"options,omitempty"`

	// EncryptOptions are options whose values are in Secrets of the Dataset's namespace.
	// +optional
	EncryptOptions []EncryptOption `json:"encryptOptions,omitempty"`
}

// EncryptOption is an option whose value is in a Secret.
// +kubebuilder:pruning:PreserveUnknownFields
type EncryptOption struct {
	Name string `json:"name"`
	// +optional
	ValueFrom EncryptOptionSource `json:"valueFrom,omitempty"`
}

// EncryptOptionSource says where the value of an EncryptOption is.
// +kubebuilder:pruning:PreserveUnknownFields
type EncryptOptionSource struct {
	// +optional
	SecretKeyRef SecretKeySelector `json:"secretKeyRef,omitempty"`
}

// SecretKeySelector selects a key of a Secret.
// +kubebuilder:pruning:PreserveUnknownFields
type SecretKeySelector struct {
	Name string `json:"name"`
	// +optional
	Key string `json:"key,omitempty"`
}

// Runtime is a runtime that serves a Dataset.
// +kubebuilder:pruning:PreserveUnknownFields
type Runtime struct {
	// +optional
	Name string `json:"name,omitempty"`
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// +optional
	Category string `json:"category,omitempty"`
	// Type is one of alluxio, jindo, juicefs, thin, efc, vineyard, cache.
	// +optional
	Type string `json:"type,omitempty"`
	// +optional
	MasterReplicas int32 `json:"masterReplicas,omitempty"`
}

// DatasetStatus is what is known of a Dataset.
// +kubebuilder:pruning:PreserveUnknownFields
type DatasetStatus struct {
	// +optional
	Mounts []Mount `json:"mounts,omitempty"`
	// +optional
	UfsTotal string `json:"ufsTotal,omitempty"`
	// +optional
	Phase DatasetPhase `json:"phase,omitempty"`
	// +optional
	Runtimes []Runtime `json:"runtimes,omitempty"`
	// Conditions is required by Fluid's CRD: never nil on the wire.
	Conditions []DatasetCondition `json:"conditions"`
	// +optional
	CacheStates map[string]string `json:"cacheStates,omitempty"`
	// +optional
	HCFSStatus *HCFSStatus `json:"hcfs,omitempty"`
	// +optional
	FileNum string `json:"fileNum,omitempty"`
	// DataLoadRef names the running DataLoad.
	// +optional
	DataLoadRef string `json:"dataLoadRef,omitempty"`
	// DataBackupRef names the running DataBackup.
	// +optional
	DataBackupRef string `json:"dataBackupRef,omitempty"`
	// OperationRef names the running operation of each kind.
	// +optional
	OperationRef map[string]string `json:"operationRef,omitempty"`
	// DatasetRef lists the references to this Dataset as namespace/name.
	// +optional
	DatasetRef []string `json:"datasetRef,omitempty"`
}

// HCFSStatus is the Hadoop compatible file system that a runtime offers.
// +kubebuilder:pruning:PreserveUnknownFields
type HCFSStatus struct {
	// +optional
	Endpoint string `json:"endpoint,omitempty"`
	// +optional
	UnderlayerFileSystemVersion string `json:"underlayerFileSystemVersion,omitempty"`
}

// DatasetCondition is one observation of a Dataset.
// +kubebuilder:pruning:PreserveUnknownFields
type DatasetCondition struct {
	Type   DatasetConditionType   `json:"type"`
	Status corev1.ConditionStatus `json:"status"`
	// +optional
	Reason string `json:"reason,omitempty"`
	// +optional
	Message string `json:"message,omitempty"`
	// +optional
	LastUpdateTime metav1.Time `json:"lastUpdateTime,omitempty"`
	// +optional
	LastTransitionTime metav1.Time `json:"lastTransitionTime,omitempty"`
}
