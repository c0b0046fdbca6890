package reference

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// World is what there is around one reference, as far as a Plan depends on it. A nil object doesn't exist, unless
// Unread names it.
type World struct {
	// Dataset is the reference as it is, or as it would be created (then without a UID).
	Dataset *datav1alpha1.Dataset

	// Physical is the Dataset that the reference refers to.
	Physical *datav1alpha1.Dataset
	// Runtime is the physical Dataset's runtime, if the sidecar depends on more of it than the FUSE pods show.
	Runtime *unstructured.Unstructured
	// RuntimeStatus is the status of the physical Dataset's runtime.
	RuntimeStatus *datav1alpha1.RuntimeStatus
	// Fuse is the DaemonSet of the physical Dataset's FUSE pods.
	Fuse *appsv1.DaemonSet
	// PhysicalVolume and PhysicalClaim belong to the physical Dataset.
	PhysicalVolume *corev1.PersistentVolume
	PhysicalClaim  *corev1.PersistentVolumeClaim
	// Sources holds the ConfigMaps and Secrets of the physical's namespace that exist among those that the FUSE
	// container names; nil if nobody looked.
	Sources map[finding.Object]*metav1.PartialObjectMetadata

	// ThinRuntime, Volume and Claim are what has the names of the reference's own objects.
	ThinRuntime *datav1alpha1.ThinRuntime
	Volume      *corev1.PersistentVolume
	Claim       *corev1.PersistentVolumeClaim
	// Taken holds the ConfigMaps and Secrets that have the names of mirrors; nil if nobody looked.
	Taken map[finding.Object]*metav1.PartialObjectMetadata

	// NamespaceLabels are those of the reference's namespace; nil if nobody looked, or nobody may.
	NamespaceLabels map[string]string

	// MirrorNames says how mirrors are named.
	MirrorNames MirrorNames
	// Sharing says whose consent the reference needs.
	Sharing Sharing
	// Rivals are those of a Plan's Rivals that exist; a Dataset that is itself a reference isn't one. Nil if nobody
	// looked.
	Rivals map[finding.Object]bool
	// Operations are the data operations that name the reference; nil if nobody looked.
	Operations map[finding.Object]bool
	// Outcome is what became of the Plan for this World when it was applied; zero if it wasn't.
	Outcome Outcome
	// Controller is the controller's ServiceAccount if the controller itself has read the World; nil if somebody else
	// did, whose rights say nothing of the controller's.
	Controller *types.NamespacedName
	// Unread says of the objects that couldn't be read why.
	Unread map[finding.Object]string
}

// Key returns the reference's name.
func (w *World) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
}

// datasetObject names the reference itself.
func (w *World) datasetObject() finding.Object {
	return finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
}
