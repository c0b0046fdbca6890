package reference

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Labels and annotations of this project.
const (
	// LabelReferenceUID marks every object that belongs to a reference with the UID of that reference. Together with
	// the owner reference (or, on a PersistentVolume, alone) it proves that an object is ours.
	LabelReferenceUID = "kubectl-fluid.dev/reference-uid"
	// LabelDatasetUID marks every object that belongs to a physical Dataset with the UID of that Dataset. Together with the
	// owner reference (or, on volume and claim, alone) it proves that an object is ours.
	LabelDatasetUID = "kubectl-fluid.dev/dataset-uid"
	// AnnotationMirrorOf on a mirror names its source as namespace/name.
	AnnotationMirrorOf = "kubectl-fluid.dev/mirror-of"
	// AnnotationSourceVersion on a mirror is the UID and resourceVersion of the source it was made from.
	AnnotationSourceVersion = "kubectl-fluid.dev/source-version"
	// AnnotationPhysicalUID on a reference's volume is the UID of the physical Dataset that it was made for.
	AnnotationPhysicalUID = "kubectl-fluid.dev/physical-uid"
	// AnnotationMirrorNames on the controller's MutatingWebhookConfiguration says how mirrors are named in a cluster.
	AnnotationMirrorNames = "kubectl-fluid.dev/mirror-names"
)

// FieldManager is the field manager of everything that the controller writes.
const FieldManager = "kubectl-fluid-controller"

// MirrorNames says how the mirrors of a reference are named.
type MirrorNames string

const (
	// UniqueNames gives each mirror a name of its own, which nothing else in the namespace can have.
	UniqueNames MirrorNames = "unique"
	// SourceNames gives each mirror the name of its source, as Fluid does; it may be taken.
	SourceNames MirrorNames = "source"
)

// mirrorName returns the name of a source's mirror for a reference. With UniqueNames it is
// <reference>-<source>-<hash of all four names and the kind>, shortened before the hash where it would be too long.
func mirrorName(names MirrorNames, reference types.NamespacedName, source finding.Object) string {
	if names == SourceNames {
		return source.Name
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{source.Kind, source.Namespace, source.Name, reference.Namespace, reference.Name}, "/")))
	suffix := "-" + hex.EncodeToString(sum[:5])
	stem := reference.Name + "-" + source.Name
	if room := validation.DNS1123SubdomainMaxLength - len(suffix); len(stem) > room {
		stem = strings.TrimRight(stem[:room], "-.")
	}
	return stem + suffix
}

// VolumeName returns the name of a Dataset's PersistentVolume, <namespace>-<name>. As in Fluid, a-b/c and a/b-c have
// the same; the volume's claimRef tells them apart.
func VolumeName(dataset types.NamespacedName) string {
	return dataset.Namespace + "-" + dataset.Name
}

// DatasetID returns the value of the label fluid.io/dataset-id.
func DatasetID(dataset metav1.Object) string { return namespacedName("", dataset) }

// StorageLabel returns the label key of a Dataset's volume and claim.
func StorageLabel(dataset metav1.Object) string {
	return namespacedName(datav1alpha1.LabelStoragePrefix, dataset)
}

// FuseLabel returns the label key of the nodes that run a Dataset's FUSE pods.
func FuseLabel(dataset metav1.Object) string {
	return namespacedName(datav1alpha1.LabelFusePrefix, dataset)
}

// namespacedName follows Fluid's rule (GetNamespacedNameValueWithPrefix, v1.0.5): <prefix><namespace>-<name> if that
// has less than 63 characters, else <prefix><UID>.
func namespacedName(prefix string, dataset metav1.Object) string {
	name := prefix + dataset.GetNamespace() + "-" + dataset.GetName()
	if len(name) < validation.LabelValueMaxLength || dataset.GetUID() == "" {
		return name
	}
	return prefix + string(dataset.GetUID())
}
