// Package caches says what the manager's caches hold of the cluster, and keeps that small: ten thousand references take tens
// of megabytes.
package caches

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Options says what of the cluster the reconcilers and webhooks need in their caches. What is cached isn't whole,
// so it must never be written back whole: patches carry what changes, and what is compared in full is read live.
func Options() cache.Options {
	return cache.Options{
		DefaultTransform: NewTransform(),
		ByObject:         map[client.Object]cache.ByObject{&corev1.Pod{}: Pods()},
	}
}

// Pods says which pods the reconcilers need in their caches, and what of them: those with sidecars, without spec.
func Pods() cache.ByObject {
	return cache.ByObject{
		Label: labels.SelectorFromSet(labels.Set{datav1alpha1.LabelInjectionDone: "true"}),
		Transform: func(object any) (any, error) {
			if pod, ok := object.(*corev1.Pod); ok {
				pod.Spec, pod.ManagedFields = corev1.PodSpec{}, nil
				pod.Status = corev1.PodStatus{Phase: pod.Status.Phase}
			}
			return object, nil
		},
	}
}

// NewTransform returns the transformation of everything that comes into a cache: it leaves of objects what is read from there.
func NewTransform() toolscache.TransformFunc {
	return (&reducer{}).reduce
}

// reducer leaves of objects what is read from the caches: of many references little is left but names.
type reducer struct {
	texts   shared[string]
	maps    shared[map[string]string]
	lists   shared[[]string]
	owners  shared[[]metav1.OwnerReference]
	writers shared[[]metav1.ManagedFieldsEntry]
	mounts  shared[[]datav1alpha1.Mount]
	hcfs    shared[*datav1alpha1.HCFSStatus]
	runtime shared[[]datav1alpha1.RuntimeCondition]
	modes   shared[[]corev1.PersistentVolumeAccessMode]
	sources shared[*corev1.CSIPersistentVolumeSource]
}

// reduce is the transformation of everything that comes into a cache. client-go may call it twice for an object before the
// cache has it (v0.37 does when a watch brings the list), and by the second time what is shared is being read: nothing that
// the object may share is written in place.
func (r *reducer) reduce(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil // what says that one was deleted
	}
	ours := accessor.GetLabels()[reference.LabelReferenceUID] != ""
	r.reduceMetadata(accessor, ours)
	if _, onlyMetadata := object.(*metav1.PartialObjectMetadata); ours && !onlyMetadata {
		accessor.SetUID("") // before deletion these are read live
	}
	switch object := object.(type) {
	case *datav1alpha1.Dataset:
		r.reduceDataset(object)
	case *datav1alpha1.ThinRuntime:
		if object.Spec.ProfileName == "" {
			r.reduceRuntime(object)
		}
	case *corev1.PersistentVolume:
		r.reduceVolume(object, ours)
	case *corev1.PersistentVolumeClaim:
		reduceClaim(object, ours)
	case *appsv1.DaemonSet:
		reduceDaemonSet(object, ours)
	case *unstructured.Unstructured: // a runtime, whose status is mirrored
		delete(object.Object, "spec")
	}
	return object, nil
}

// reduceMetadata keeps of the managed fields who wrote last and whether this project did at all, and of objects that were
// made for a reference its mark.
func (r *reducer) reduceMetadata(object metav1.Object, ours bool) {
	var writers []metav1.ManagedFieldsEntry
	if manager := reference.LastManager(object); manager != "" {
		writers = append(writers, metav1.ManagedFieldsEntry{Manager: manager})
		if manager != reference.FieldManager && reference.WrittenHere(object) {
			writers = append(writers, metav1.ManagedFieldsEntry{Manager: reference.FieldManager})
		}
	}
	object.SetManagedFields(r.writers.of(writers))
	object.SetNamespace(r.texts.of(object.GetNamespace()))
	object.SetFinalizers(r.lists.of(object.GetFinalizers()))
	annotations := without(object.GetAnnotations(), func(key string) bool {
		return key == corev1.LastAppliedConfigAnnotation ||
			(ours && key != reference.AnnotationTemplate && key != reference.AnnotationPhysicalUID)
	})
	object.SetAnnotations(r.maps.of(annotations))
	if !ours {
		return
	}
	mark := r.maps.of(map[string]string{reference.LabelReferenceUID: object.GetLabels()[reference.LabelReferenceUID]})
	object.SetLabels(mark)
	owners := slices.Clone(object.GetOwnerReferences())
	for i := range owners {
		owner := &owners[i]
		owner.Controller, owner.BlockOwnerDeletion = nil, nil
		owner.APIVersion, owner.Kind = r.texts.of(owner.APIVersion), r.texts.of(owner.Kind)
		if uid := types.UID(mark[reference.LabelReferenceUID]); owner.UID == uid {
			owner.UID = uid // the same in memory
		}
	}
	object.SetOwnerReferences(r.owners.of(owners))
}

// without returns a map without some keys: the same map if it has none of them.
func without(all map[string]string, unwanted func(key string) bool) map[string]string {
	kept := make(map[string]string, len(all))
	for key, value := range all {
		if !unwanted(key) {
			kept[key] = value
		}
	}
	if len(kept) == len(all) {
		return all
	}
	return kept
}

// reduceDataset lets references share what they mirror of the same physical Dataset.
func (r *reducer) reduceDataset(dataset *datav1alpha1.Dataset) {
	if !reference.IsReference(dataset) {
		return
	}
	status := &dataset.Status
	labels := dataset.Labels
	dataset.Labels = make(map[string]string, len(labels))
	for key, value := range labels {
		dataset.Labels[r.texts.of(key)] = value
	}
	dataset.Spec.Mounts = r.mounts.of(dataset.Spec.Mounts)
	status.Mounts = r.mounts.of(status.Mounts)
	status.CacheStates, status.OperationRef = r.maps.of(status.CacheStates), r.maps.of(status.OperationRef)
	status.HCFSStatus = r.hcfs.of(status.HCFSStatus)
	status.UfsTotal, status.FileNum = r.texts.of(status.UfsTotal), r.texts.of(status.FileNum)
	status.Phase = datav1alpha1.DatasetPhase(r.texts.of(string(status.Phase)))
	for i := range status.Runtimes {
		runtime := &status.Runtimes[i]
		if runtime.Namespace == dataset.Namespace && runtime.Name == dataset.Name {
			runtime.Namespace, runtime.Name = dataset.Namespace, dataset.Name
		}
		runtime.Category, runtime.Type = r.texts.of(runtime.Category), r.texts.of(runtime.Type)
	}
	for i := range status.Conditions {
		condition := &status.Conditions[i]
		condition.Reason, condition.Message = r.texts.of(condition.Reason), r.texts.of(condition.Message)
		condition.Type = datav1alpha1.DatasetConditionType(r.texts.of(string(condition.Type)))
		condition.Status = corev1.ConditionStatus(r.texts.of(string(condition.Status)))
	}
}

// reduceRuntime does the same for the ThinRuntime of a reference.
func (r *reducer) reduceRuntime(runtime *datav1alpha1.ThinRuntime) {
	runtime.Spec = datav1alpha1.ThinRuntimeSpec{}
	status := &runtime.Status
	for _, text := range []*string{&status.ValueFile, &status.MasterReason, &status.WorkerReason, &status.FuseReason, &status.SetupDuration, &status.Selector} {
		*text = r.texts.of(*text)
	}
	for _, phase := range []*datav1alpha1.RuntimePhase{&status.MasterPhase, &status.WorkerPhase, &status.FusePhase} {
		*phase = datav1alpha1.RuntimePhase(r.texts.of(string(*phase)))
	}
	status.Mounts = r.mounts.of(status.Mounts)
	status.CacheStates = r.maps.of(status.CacheStates)
	status.Conditions = r.runtime.of(status.Conditions)
}

// reduceVolume keeps the source of volumes that are named as those of Datasets are, and of all others whose they are.
func (r *reducer) reduceVolume(volume *corev1.PersistentVolume, ours bool) {
	volume.Status = corev1.PersistentVolumeStatus{}
	claim := volume.Spec.ClaimRef
	if claim != nil {
		volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name}
	}
	switch {
	case ours:
		volume.Spec = corev1.PersistentVolumeSpec{ClaimRef: volume.Spec.ClaimRef, AccessModes: r.modes.of(volume.Spec.AccessModes),
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: r.sources.of(volume.Spec.CSI)}}
	case claim == nil || volume.Name != reference.VolumeName(client.ObjectKey{Namespace: claim.Namespace, Name: claim.Name}):
		volume.Spec = corev1.PersistentVolumeSpec{ClaimRef: volume.Spec.ClaimRef}
	}
}

// reduceClaim keeps how much a claim asks for: the claims of references ask for as much as the physical's.
func reduceClaim(claim *corev1.PersistentVolumeClaim, ours bool) {
	claim.Status = corev1.PersistentVolumeClaimStatus{}
	resources := claim.Spec.Resources
	claim.Spec = corev1.PersistentVolumeClaimSpec{}
	if !ours {
		claim.Spec.Resources = resources
	}
}

// reduceDaemonSet keeps the pod templates of what may be FUSE pods. Those made for references are only compared by hash.
func reduceDaemonSet(daemonSet *appsv1.DaemonSet, ours bool) {
	if ours || len(reference.DatasetsOfFuse(daemonSet.Name)) == 0 {
		daemonSet.Spec, daemonSet.Status = appsv1.DaemonSetSpec{}, appsv1.DaemonSetStatus{}
	}
}
