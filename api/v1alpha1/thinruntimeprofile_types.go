package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ThinRuntimeProfile describes a FUSE client for all ThinRuntimes that name it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster
// +kubebuilder:pruning:PreserveUnknownFields
// +kubebuilder:printcolumn:name="File System",type=string,JSONPath=`.spec.fileSystemType`
// +kubebuilder:printcolumn:name="Image",type=string,JSONPath=`.spec.fuse.image`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ThinRuntimeProfile struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ThinRuntimeProfileSpec   `json:"spec,omitempty"`
	Status ThinRuntimeProfileStatus `json:"status,omitempty"`
}

// ThinRuntimeProfileList is a list of ThinRuntimeProfiles.
// +kubebuilder:object:root=true
type ThinRuntimeProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ThinRuntimeProfile `json:"items"`
}

// ThinRuntimeProfileSpec describes the FUSE client.
// +kubebuilder:pruning:PreserveUnknownFields
type ThinRuntimeProfileSpec struct {
	// FileSystemType is what /proc/mounts shows of the mount, or a part of it; it becomes the volume's mount_type.
	FileSystemType string `json:"fileSystemType"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// +optional
	Fuse ThinFuseSpec `json:"fuse,omitempty"`

	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Volumes []corev1.Volume `json:"volumes,omitempty"`

	// NodePublishSecretPolicy says what happens to the node publish Secret of a volume that the Dataset mounts.
	// +kubebuilder:default=MountNodePublishSecretIfExists
	// +kubebuilder:validation:Enum=NotMountNodePublishSecret;MountNodePublishSecretIfExists;CopyNodePublishSecretAndMountIfNotExists
	// +optional
	NodePublishSecretPolicy string `json:"nodePublishSecretPolicy,omitempty"`
}

// ThinRuntimeProfileStatus has no fields, as Fluid's.
// +kubebuilder:pruning:PreserveUnknownFields
type ThinRuntimeProfileStatus struct{}
