package reference

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// OwnerReference returns the owner reference of everything that goes with a reference. It doesn't block the owner's
// deletion: the reference's finalizer orders that.
func OwnerReference(reference *datav1alpha1.Dataset) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: datav1alpha1.GroupVersion.String(), Kind: datav1alpha1.DatasetKind,
		Name: reference.Name, UID: reference.UID}
}

// newThinRuntime has an empty spec, by which Fluid knows the runtime of a reference.
func newThinRuntime(reference *datav1alpha1.Dataset) *datav1alpha1.ThinRuntime {
	owner := OwnerReference(reference)
	controller := true
	owner.Controller = &controller
	return &datav1alpha1.ThinRuntime{
		TypeMeta: metav1.TypeMeta{APIVersion: datav1alpha1.GroupVersion.String(), Kind: datav1alpha1.ThinRuntimeKind},
		ObjectMeta: metav1.ObjectMeta{
			Name: reference.Name, Namespace: reference.Namespace,
			Labels:          marked(reference, map[string]string{datav1alpha1.LabelDatasetID: DatasetID(reference)}),
			OwnerReferences: []metav1.OwnerReference{owner},
			Finalizers:      []string{datav1alpha1.FinalizerThinRuntime},
		},
	}
}

// newVolume is the physical's volume under the reference's name, claimed for the reference, with its sub-path. It has
// no owner: an object of the cluster can't be owned by one of a namespace.
func newVolume(w *World, source Source) *corev1.PersistentVolume {
	spec := w.PhysicalVolume.Spec.DeepCopy()
	spec.AccessModes = accessModes(w)
	spec.ClaimRef = &corev1.ObjectReference{APIVersion: "v1", Kind: kindClaim, Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
	if source.SubPath != "" {
		if spec.CSI.VolumeAttributes == nil {
			spec.CSI.VolumeAttributes = map[string]string{}
		}
		spec.CSI.VolumeAttributes[datav1alpha1.VolumeAttributeSubPath] = source.SubPath
	}
	return &corev1.PersistentVolume{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kindVolume},
		ObjectMeta: metav1.ObjectMeta{
			Name: VolumeName(w.Key()),
			Labels: marked(w.Dataset, map[string]string{
				StorageLabel(w.Dataset):     "true",
				datav1alpha1.LabelDatasetID: DatasetID(w.Dataset),
			}),
			Annotations: volumeAnnotations(w),
		},
		Spec: *spec,
	}
}

// volumeAnnotations copies the physical volume's annotations, as Fluid does, without what Kubernetes' volume
// controller or kubectl wrote about that volume only. They also say which physical Dataset it was made for.
func volumeAnnotations(w *World) map[string]string {
	annotations := map[string]string{datav1alpha1.AnnotationCreatedBy: datav1alpha1.CreatedByFluid}
	if w.Physical.UID != "" {
		annotations[AnnotationPhysicalUID] = string(w.Physical.UID)
	}
	for key, value := range w.PhysicalVolume.Annotations {
		if !strings.HasPrefix(key, "pv.kubernetes.io/") && key != corev1.LastAppliedConfigAnnotation {
			annotations[key] = value
		}
	}
	return annotations
}

// newClaim claims the reference's volume by name.
func newClaim(w *World, source Source, volume *corev1.PersistentVolume) *corev1.PersistentVolumeClaim {
	storage := volume.Spec.Capacity[corev1.ResourceStorage]
	if w.PhysicalClaim != nil {
		if request, ok := w.PhysicalClaim.Spec.Resources.Requests[corev1.ResourceStorage]; ok {
			storage = request
		}
	}
	return &corev1.PersistentVolumeClaim{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: kindClaim},
		ObjectMeta: metav1.ObjectMeta{
			Name: w.Dataset.Name, Namespace: w.Dataset.Namespace,
			Labels: marked(w.Dataset, map[string]string{
				StorageLabel(w.Dataset):              "true",
				datav1alpha1.LabelDatasetID:          DatasetID(w.Dataset),
				datav1alpha1.LabelReferringName:      source.Name,
				datav1alpha1.LabelReferringNamespace: source.Namespace,
			}),
			Annotations:     map[string]string{datav1alpha1.AnnotationCreatedBy: datav1alpha1.CreatedByFluid},
			OwnerReferences: []metav1.OwnerReference{OwnerReference(w.Dataset)},
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			VolumeName:       volume.Name,
			StorageClassName: new(volume.Spec.StorageClassName),
			AccessModes:      volume.Spec.AccessModes,
			Resources: corev1.VolumeResourceRequirements{
				Requests: map[corev1.ResourceName]resource.Quantity{corev1.ResourceStorage: storage},
			},
		},
	}
}

// marked adds the mark of a reference's own objects to labels.
func marked(reference *datav1alpha1.Dataset, labels map[string]string) map[string]string {
	if reference.UID != "" {
		labels[LabelReferenceUID] = string(reference.UID)
	}
	return labels
}

// NewMirror returns the metadata of a mirror: the source's labels and annotations without those that tie it to a
// manager or a Helm release (a copied Helm hook annotation makes Helm delete the copy), and the mark. The data is the
// source's; only whoever writes the mirror needs to see it.
func NewMirror(reference *datav1alpha1.Dataset, mirror Mirror, source metav1.Object) metav1.ObjectMeta {
	labels := marked(reference, foreignKeysDropped(source.GetLabels()))
	labels[datav1alpha1.LabelDatasetID] = DatasetID(reference)
	annotations := foreignKeysDropped(source.GetAnnotations())
	annotations[AnnotationMirrorOf] = mirror.Original.Namespace + "/" + mirror.Original.Name
	annotations[AnnotationSourceVersion] = SourceVersion(source)
	return metav1.ObjectMeta{
		Name: mirror.Target.Name, Namespace: mirror.Target.Namespace,
		Labels: labels, Annotations: annotations,
		OwnerReferences: []metav1.OwnerReference{OwnerReference(reference)},
	}
}

// SourceVersion identifies the state of a mirror's source.
func SourceVersion(source metav1.Object) string {
	return string(source.GetUID()) + "/" + source.GetResourceVersion()
}

// foreignKeysDropped returns a copy without the labels and annotations by which Helm, kubectl and GitOps tools
// recognize objects as theirs.
func foreignKeysDropped(from map[string]string) map[string]string {
	kept := maps.Clone(from)
	if kept == nil {
		kept = map[string]string{}
	}
	maps.DeleteFunc(kept, func(key, _ string) bool {
		domain, _, _ := strings.Cut(key, "/")
		switch key {
		case "app.kubernetes.io/managed-by", "app.kubernetes.io/instance", "heritage", "release", "chart",
			corev1.LastAppliedConfigAnnotation:
			return true
		}
		return strings.HasSuffix(domain, "helm.sh") || strings.HasSuffix(domain, "argoproj.io") ||
			strings.HasSuffix(domain, "fluxcd.io") || strings.HasSuffix(domain, "kubectl-fluid.dev")
	})
	return kept
}
