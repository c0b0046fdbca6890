package thin

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

const (
	// AnnotationCapacity on a Dataset is the capacity of its volume.
	AnnotationCapacity = "pvc.fluid.io/resources.requests.storage"
	defaultCapacity    = "100Pi"
)

// capacityOf returns the capacity that a Dataset's volume shows. Nothing enforces it.
func capacityOf(dataset *datav1alpha1.Dataset) (resource.Quantity, error) {
	text, set := dataset.Annotations[AnnotationCapacity]
	if !set {
		text = defaultCapacity
	}
	capacity, err := resource.ParseQuantity(text)
	if err == nil && capacity.Sign() <= 0 {
		err = fmt.Errorf("it must be more than zero")
	}
	if err != nil {
		return capacity, fmt.Errorf("Dataset %s/%s: the annotation %s is %q, which is no capacity (%w): write something like %s, or remove it",
			dataset.Namespace, dataset.Name, AnnotationCapacity, text, err, defaultCapacity)
	}
	return capacity, nil
}

// volume leads pods through Fluid's CSI driver to the FUSE mount on their node. It has no owner: an object of the
// cluster can't be owned by one of a namespace.
func (e *engine) volume(capacity resource.Quantity) *corev1.PersistentVolume {
	name := reference.VolumeName(e.key())
	return &corev1.PersistentVolume{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolume"},
		ObjectMeta: e.volumeMeta("", name),
		Spec: corev1.PersistentVolumeSpec{
			AccessModes:      accessModes(e.dataset),
			Capacity:         corev1.ResourceList{corev1.ResourceStorage: capacity},
			ClaimRef:         &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: e.dataset.Namespace, Name: e.dataset.Name},
			StorageClassName: datav1alpha1.StorageClassName,
			NodeAffinity:     nodeAffinity(e.fuse.nodeSelector),
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver:       datav1alpha1.CSIDriverName,
				VolumeHandle: name,
				VolumeAttributes: map[string]string{
					datav1alpha1.VolumeAttributePath:             e.target,
					datav1alpha1.VolumeAttributeMountType:        e.profile.Spec.FileSystemType,
					datav1alpha1.VolumeAttributeRuntimeName:      e.runtime.Name,
					datav1alpha1.VolumeAttributeRuntimeNamespace: e.runtime.Namespace,
					datav1alpha1.VolumeAttributeNodeSelectorKey:  reference.FuseLabel(e.dataset),
				},
			}},
		},
	}
}

// claim claims the volume by name.
func (e *engine) claim(capacity resource.Quantity) *corev1.PersistentVolumeClaim {
	class := datav1alpha1.StorageClassName
	return &corev1.PersistentVolumeClaim{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: e.volumeMeta(e.dataset.Namespace, e.dataset.Name),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes:      accessModes(e.dataset),
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: capacity}},
			StorageClassName: &class,
			VolumeName:       reference.VolumeName(e.key()),
		},
	}
}

// volumeMeta is the metadata of volume and claim. They have no owner, as in Fluid: they are deleted in order.
func (e *engine) volumeMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name,
		Labels: map[string]string{
			reference.StorageLabel(e.dataset): "true",
			datav1alpha1.LabelDatasetID:       reference.DatasetID(e.dataset),
			reference.LabelDatasetUID:         string(e.dataset.UID),
		},
		Annotations: map[string]string{datav1alpha1.AnnotationCreatedBy: datav1alpha1.CreatedByFluid},
	}
}

// nodeAffinity keeps pods that use the volume on the nodes that FUSE pods are restricted to.
func nodeAffinity(selector map[string]string) *corev1.VolumeNodeAffinity {
	if len(selector) == 0 {
		return nil
	}
	var required []corev1.NodeSelectorRequirement
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		required = append(required, corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{selector[key]}})
	}
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: required}}}}
}
