package engine

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// mountType is what /proc/mounts shows of the FUSE client's mount.
const mountType = "fuse.alluxio-fuse"

// volumeMeta is the metadata of volume and claim. They have no owner: this engine deletes them.
func (e *Engine) volumeMeta(name, namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace,
		Annotations: map[string]string{datav1alpha1.AnnotationCreatedBy: datav1alpha1.CreatedByFluid},
		Labels: map[string]string{reference.StorageLabel(e.dataset): "true", datav1alpha1.LabelDatasetID: reference.DatasetID(e.dataset),
			reference.LabelDatasetUID: string(e.dataset.UID)}}
}

func (e *Engine) volume(capacity resource.Quantity) *corev1.PersistentVolume {
	name := reference.VolumeName(e.key())
	return &corev1.PersistentVolume{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolume"}, ObjectMeta: e.volumeMeta(name, ""),
		Spec: corev1.PersistentVolumeSpec{
			AccessModes: accessModes(e.dataset), StorageClassName: datav1alpha1.StorageClassName,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: capacity},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			ClaimRef:                      &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: e.dataset.Namespace, Name: e.dataset.Name},
			NodeAffinity:                  e.volumeAffinity(),
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: datav1alpha1.CSIDriverName, VolumeHandle: name,
				VolumeAttributes: map[string]string{
					datav1alpha1.VolumeAttributePath:             e.fuseMount(),
					datav1alpha1.VolumeAttributeMountType:        mountType,
					datav1alpha1.VolumeAttributeRuntimeName:      e.runtime.Name,
					datav1alpha1.VolumeAttributeRuntimeNamespace: e.runtime.Namespace,
					datav1alpha1.VolumeAttributeNodeSelectorKey:  reference.FuseLabel(e.dataset),
				},
			}},
		},
	}
}

// volumeAffinity binds the volume to the nodes that the FUSE client is told to run on (Fluid v1.0.8).
func (e *Engine) volumeAffinity() *corev1.VolumeNodeAffinity {
	selector := e.runtime.Spec.Fuse.NodeSelector
	if len(selector) == 0 {
		return nil
	}
	var term corev1.NodeSelectorTerm
	for _, v := range userEnv(selector) { // sorted
		term.MatchExpressions = append(term.MatchExpressions, corev1.NodeSelectorRequirement{Key: v.Name, Operator: corev1.NodeSelectorOpIn, Values: []string{selector[v.Name]}})
	}
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{term}}}
}

func (e *Engine) claim(capacity resource.Quantity) *corev1.PersistentVolumeClaim {
	class := datav1alpha1.StorageClassName
	return &corev1.PersistentVolumeClaim{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"}, ObjectMeta: e.volumeMeta(e.dataset.Name, e.dataset.Namespace),
		Spec: corev1.PersistentVolumeClaimSpec{
			VolumeName: reference.VolumeName(e.key()), StorageClassName: &class, AccessModes: accessModes(e.dataset),
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: capacity}},
		},
	}
}
