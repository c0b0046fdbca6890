package reference

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Policy is what a Plan depends on beside objects: the cluster's settings, and what the caller wants to know.
type Policy struct {
	// MirrorNames says how mirrors are named.
	MirrorNames MirrorNames
	// Sharing says whose consent the reference needs.
	Sharing Sharing
	// Controller is the controller's ServiceAccount if the controller itself reads the World. Otherwise it is nil: the
	// rights of somebody else say nothing of the controller's.
	Controller *types.NamespacedName
	// Depth says how far to look.
	Depth Depth
}

// Depth says which objects a Plan looks at. Each Depth looks at all that the ones before it look at.
type Depth int

const (
	// ForPods looks at the claim and at what the sidecar is made from: enough to explain a pod.
	ForPods Depth = iota
	// ForAdmission also looks at what has the names of the reference's own objects. Informer caches hold all of it.
	ForAdmission
	// ForWriting also looks at the sources of mirrors, at what has the mirrors' names, and at the status of the physical's
	// runtime: all that the controller needs to write what the Plan says.
	ForWriting
	// ForReport also looks at the names that Fluid's own controllers and webhook would use, where they do.
	ForReport
	// ForReview also looks at those names where nobody uses them, and at the data operations that name the reference.
	ForReview
)

// World is what there is around one Dataset, as far as a Plan depends on it. A nil object doesn't exist, or couldn't be
// read, or wasn't looked for: Seen tells these apart.
type World struct {
	Policy
	// Dataset is the reference as it is, or as it would be created (then without a UID). It may also be a physical Dataset
	// that pods of its own namespace use.
	Dataset *datav1alpha1.Dataset

	// Seen has every object that somebody looked for.
	Seen map[finding.Object]State

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

	// ThinRuntime, Volume and Claim are what has the names of the reference's own objects.
	ThinRuntime *datav1alpha1.ThinRuntime
	Volume      *corev1.PersistentVolume
	Claim       *corev1.PersistentVolumeClaim

	// Operations are the data operations that name the reference.
	Operations map[finding.Object]bool
	// Outcome is what became of the Plan for this World when it was applied; zero if it wasn't.
	Outcome Outcome
}

// State is what was seen of an object.
type State struct {
	// Object is the object, or its metadata; nil if it doesn't exist or couldn't be read.
	Object metav1.Object
	// Unread says why it couldn't be read; empty if it could, or doesn't exist.
	Unread string
}

// NewWorld returns the World of a Dataset in which nobody has looked for anything yet.
func NewWorld(dataset *datav1alpha1.Dataset, policy Policy) *World {
	w := &World{Policy: policy, Dataset: dataset, Seen: map[finding.Object]State{}}
	if !IsReference(dataset) {
		w.Physical = dataset
	}
	return w
}

// Key returns the Dataset's name.
func (w *World) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
}

// datasetObject names the Dataset itself.
func (w *World) datasetObject() finding.Object {
	return finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
}

// Unread says why an object couldn't be read; empty if it could, or if nobody tried.
func (w *World) Unread(object finding.Object) string { return w.Seen[object].Unread }

// HasUnread reports whether any object couldn't be read.
func (w *World) HasUnread() bool { return len(w.unread()) > 0 }

// unread returns the objects that couldn't be read, in the order of their names.
func (w *World) unread() []finding.Object {
	var unread []finding.Object
	for object, state := range w.Seen {
		if state.Unread != "" {
			unread = append(unread, object)
		}
	}
	slices.SortFunc(unread, compareObjects)
	return unread
}

// Metadata returns the metadata of a ConfigMap, Secret or Namespace; nil if it doesn't exist, couldn't be read or wasn't
// looked for.
func (w *World) Metadata(object finding.Object) *metav1.PartialObjectMetadata {
	metadata, _ := w.Seen[object].Object.(*metav1.PartialObjectMetadata)
	return metadata
}

// lacks reports whether an object doesn't exist, as far as anybody could see.
func (w *World) lacks(object finding.Object) bool { return w.Seen[object] == State{} }

// Lacks reports whether somebody has looked for an object and it wasn't there.
func (w *World) Lacks(object finding.Object) bool {
	state, looked := w.Seen[object]
	return looked && state.Object == nil
}

// See takes in what somebody saw of an object: the object, or nil if it doesn't exist, or why it couldn't be read. Source is
// what the Dataset refers to. The error is that of a runtime whose status has another form.
func (w *World) See(source Source, object finding.Object, state State) error {
	if object.Kind == kindNamespace || (w.Depth < ForWriting && isRuntime(object.Kind)) {
		state.Unread = "" // these only add to what is known, so nothing is said where they may not be read
	}
	w.Seen[object] = state
	key := types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
	switch found := state.Object.(type) {
	case *datav1alpha1.Dataset:
		if key == source.Key() {
			w.Physical = found
		}
	case *datav1alpha1.ThinRuntime:
		if key == w.Key() {
			w.ThinRuntime = found
		}
		if key == source.Key() {
			w.RuntimeStatus = &found.Status
		}
	case *unstructured.Unstructured:
		if key == source.Key() {
			return w.seeRuntime(found)
		}
	case *appsv1.DaemonSet:
		w.Fuse = found
	case *corev1.PersistentVolume: // a-b/c and a/b-c have one volume between them
		if found.Name == VolumeName(w.Key()) && source.Key() != w.Key() {
			w.Volume = found
		}
		if found.Name == VolumeName(source.Key()) {
			w.PhysicalVolume = found
		}
	case *corev1.PersistentVolumeClaim:
		if key == source.Key() {
			w.PhysicalClaim = found
		} else {
			w.Claim = found
		}
	}
	return nil
}

// seeRuntime takes in the physical Dataset's runtime of a kind that has no type here.
func (w *World) seeRuntime(object *unstructured.Unstructured) error {
	if kind, known := RuntimeOfDataset(w.Physical); known && kind.Metrics {
		w.Runtime = object
	}
	if w.Depth < ForWriting {
		return nil
	}
	w.RuntimeStatus = &datav1alpha1.RuntimeStatus{}
	fields, _, err := unstructured.NestedMap(object.Object, "status")
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(fields, w.RuntimeStatus)
	}
	if err != nil {
		return fmt.Errorf("reading the status of %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	return nil
}

// Holders returns the metadata of the ConfigMaps and Secrets that are in the reference's namespace, of those that were
// looked for: they have the names of mirrors.
func (w *World) Holders() map[finding.Object]*metav1.PartialObjectMetadata {
	holders := map[finding.Object]*metav1.PartialObjectMetadata{}
	for object := range w.Seen {
		if metadata := w.Metadata(object); metadata != nil && object.Namespace == w.Dataset.Namespace {
			holders[object] = metadata
		}
	}
	return holders
}
