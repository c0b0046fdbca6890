package reference

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// unlooked returns what the plan depends on and nobody has looked for yet. An object without a name stands for all of
// its kind and namespace. What the plan depends on shows step by step: the physical Dataset says which DaemonSet, the
// DaemonSet which mirrors, and the mirrors which rivals.
func (p *Plan) unlooked(w *World, mirrors []Mirror) []finding.Object {
	objects := ownObjects(w)
	if p.Source != (Source{}) {
		objects = append(objects, physicalObjects(w, p.Source)...)
	}
	if unlooked := w.unlooked(objects); len(unlooked) > 0 {
		return unlooked
	}
	return w.unlooked(p.namedObjects(w, mirrors))
}

// unlooked returns those of some objects that nobody has looked for yet.
func (w *World) unlooked(objects []finding.Object) []finding.Object {
	var unlooked []finding.Object
	for _, object := range objects {
		if _, seen := w.Seen[object]; !seen && !slices.Contains(unlooked, object) {
			unlooked = append(unlooked, object)
		}
	}
	return unlooked
}

// ownObjects returns the names of the Dataset's own objects.
func ownObjects(w *World) []finding.Object {
	key := w.Key()
	claim := finding.Object{Kind: kindClaim, Namespace: key.Namespace, Name: key.Name}
	if w.Depth < ForAdmission || !IsReference(w.Dataset) {
		return []finding.Object{claim}
	}
	return []finding.Object{{Kind: datav1alpha1.ThinRuntimeKind, Namespace: key.Namespace, Name: key.Name}, claim,
		{Kind: kindVolume, Name: VolumeName(key)}}
}

// physicalObjects returns the physical Dataset and what belongs to it.
func physicalObjects(w *World, source Source) []finding.Object {
	named := func(kind string, key types.NamespacedName) finding.Object {
		return finding.Object{Kind: kind, Namespace: key.Namespace, Name: key.Name}
	}
	var objects []finding.Object
	if source.Key() != w.Key() {
		objects = append(objects, named(datav1alpha1.DatasetKind, source.Key()))
	}
	if w.Physical == nil {
		return objects
	}
	objects = append(objects, finding.Object{Kind: kindVolume, Name: VolumeName(source.Key())})
	if w.Depth >= ForAdmission {
		objects = append(objects, named(kindClaim, source.Key()))
	}
	if runtime, known := RuntimeOfDataset(w.Physical); known {
		objects = append(objects, finding.Object{Kind: kindDaemonSet, Namespace: source.Namespace, Name: runtime.FuseDaemonSet(source.Name)})
		if runtime.Metrics || (w.readsStatus() && runtime.NoSidecar == "") {
			objects = append(objects, named(runtime.Kind, source.Key()))
		}
	}
	return objects
}

// readsStatus reports whether the status of the physical's runtime matters: a reference mirrors it.
func (w *World) readsStatus() bool { return w.Depth >= ForWriting && IsReference(w.Dataset) }

// namedObjects returns the sources of mirrors, what has the names that the reference needs, whatever else would bring
// something of these names, and the data operations that name the reference.
func (p *Plan) namedObjects(w *World, mirrors []Mirror) []finding.Object {
	if w.Depth < ForWriting || !IsReference(w.Dataset) {
		return nil
	}
	var objects []finding.Object
	if w.Depth >= ForReview {
		for _, kind := range OperationKinds() {
			objects = append(objects, finding.Object{Kind: kind, Namespace: w.Dataset.Namespace})
		}
	}
	if p.Source == (Source{}) {
		return objects
	}
	objects = append(objects, finding.Object{Kind: kindNamespace, Name: w.Dataset.Namespace})
	for _, mirror := range mirrors {
		objects = append(objects, mirror.Original, mirror.Target)
	}
	if w.Physical != nil {
		if store, ok := CredentialStore(w.Physical); ok && HasEncryptOptions(w.Physical) {
			objects = append(objects, store)
		}
	}
	objects = append(objects, p.Rivals...)
	if w.Depth >= ForReport && (w.Depth >= ForReview || w.MirrorNames == SourceNames || p.Sidecar == nil) {
		for _, need := range slices.Concat(sourceNeeds(w, p.Source), mirrorNeeds(w, p.Source, w.MirrorNames)) {
			objects = append(objects, need.target)
		}
	}
	return objects
}
