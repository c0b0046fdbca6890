package reference

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// Owns reports whether an object was made by this project for a reference: the mark carries the reference's UID and,
// on objects of a namespace, so does an owner reference. Anything else is foreign and is never written or deleted.
func Owns(reference *datav1alpha1.Dataset, object metav1.Object) bool {
	if reference.UID == "" || object.GetLabels()[LabelReferenceUID] != string(reference.UID) {
		return false
	}
	return object.GetNamespace() == "" || ownedBy(reference, object)
}

func ownedBy(reference *datav1alpha1.Dataset, object metav1.Object) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
		return owner.UID == reference.UID
	})
}

// HasLostMark reports whether an object that this project wrote for a reference has lost its mark or its owner, one of the
// two: the other still says whose it is, so it's to be repaired. Who takes both off has taken the object over.
func HasLostMark(reference *datav1alpha1.Dataset, object metav1.Object) bool {
	marked := reference.UID != "" && object.GetLabels()[LabelReferenceUID] == string(reference.UID)
	return reference.UID != "" && marked != ownedBy(reference, object) && WrittenHere(object)
}

// WrittenHere reports whether this project's field manager has written an object, beside its status.
func WrittenHere(object metav1.Object) bool {
	return slices.ContainsFunc(object.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == FieldManager && e.Subresource == ""
	})
}

// madeByFluid reports whether Fluid's own controllers made an object for the reference: then it is as it should be,
// and theirs.
func madeByFluid(reference *datav1alpha1.Dataset, object metav1.Object) bool {
	_, labelled := object.GetLabels()[StorageLabel(reference)]
	return labelled && object.GetAnnotations()[datav1alpha1.AnnotationCreatedBy] == datav1alpha1.CreatedByFluid &&
		object.GetLabels()[LabelReferenceUID] == ""
}

// IsCopyOfFluid reports whether Fluid's thinruntime-controller made a ConfigMap as its copy for a reference: it owns it,
// with the Dataset's label that Fluid gives to copies, and this project has no mark on it.
func IsCopyOfFluid(reference *datav1alpha1.Dataset, object metav1.Object) bool {
	return reference.UID != "" && ownedBy(reference, object) && object.GetLabels()[LabelReferenceUID] == "" &&
		object.GetLabels()[datav1alpha1.LabelDatasetID] != ""
}

// Holder says for a person whose an object is: its owner, its Helm release, and who wrote it last.
func Holder(object metav1.Object) string {
	var parts []string
	for _, owner := range object.GetOwnerReferences() {
		parts = append(parts, fmt.Sprintf("owned by %s %s", owner.Kind, owner.Name))
	}
	if release := object.GetAnnotations()["meta.helm.sh/release-name"]; release != "" {
		if namespace := object.GetAnnotations()["meta.helm.sh/release-namespace"]; namespace != "" {
			release = namespace + "/" + release
		}
		parts = append(parts, "of the Helm release "+release)
	}
	if manager := LastManager(object); manager != "" {
		parts = append(parts, "written by "+manager)
	}
	if len(parts) == 0 {
		return "of unknown origin"
	}
	return strings.Join(parts, ", ")
}

// LastManager returns the field manager that wrote an object last, leaving out writers of the status.
func LastManager(object metav1.Object) string {
	var last metav1.ManagedFieldsEntry
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource != "" {
			continue
		}
		if last.Manager == "" || (entry.Time != nil && (last.Time == nil || last.Time.Before(entry.Time))) {
			last = entry
		}
	}
	return last.Manager
}
