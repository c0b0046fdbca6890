package reconcile

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// payload returns the fields of a ConfigMap or Secret that a mirror has from its source.
func payload() []string { return []string{"data", "binaryData", "immutable", "type"} }

// applyMirror creates a mirror or makes it what its source is. Contents are only read when the source or the mirror has
// changed since they were last compared. ConfigMaps and Secrets go the same way, without types.
func (r *ReferenceReconciler) applyMirror(ctx context.Context, world *reference.World, mirror reference.Mirror) error {
	sourceMeta, existingMeta := world.Sources[mirror.Source], world.Taken[mirror.Target]
	if sourceMeta == nil {
		return nil // an optional one, or a finding says so
	}
	if existingMeta != nil && r.verified.is(existingMeta, sourceMeta) {
		return nil
	}
	source, err := r.read(ctx, mirror.Source)
	if err != nil {
		return client.IgnoreNotFound(err) // its deletion is an event
	}
	wanted, err := wantedMirror(world.Dataset, mirror, source)
	if err != nil {
		return err
	}
	if existingMeta == nil {
		return r.create(ctx, wanted)
	}
	existing, err := r.read(ctx, mirror.Target)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	if !reference.Owns(world.Dataset, existing) {
		// A copy of Fluid's is as good as ours while it is what its source is. Else it was replaced by a foreign one since
		// the plan was made, and its event brings us back.
		if reference.IsCopyOfFluid(world.Dataset, existing) {
			noteStale(world, mirror.Target, existing, wanted)
		}
		return nil
	}
	if err := r.repair(ctx, existing, wanted); err != nil {
		return err
	}
	r.verified.set(existing, source)
	return nil
}

// noteStale notes in the World that a copy hasn't what its source has. Fluid copies only the text of ConfigMaps.
func noteStale(world *reference.World, target reference.Object, existing, wanted *unstructured.Unstructured) {
	for _, field := range []string{"data", "binaryData"} {
		if !equality.Semantic.DeepEqual(existing.Object[field], wanted.Object[field]) {
			world.Stale = map[reference.Object]bool{target: true}
			return
		}
	}
}

func (r *ReferenceReconciler) read(ctx context.Context, object reference.Object) (*unstructured.Unstructured, error) {
	content := &unstructured.Unstructured{}
	content.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(object.Kind))
	if err := r.Live.Get(ctx, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, content); err != nil {
		return nil, fmt.Errorf("reading %s: %w", object, err)
	}
	return content, nil
}

func wantedMirror(dataset *datav1alpha1.Dataset, mirror reference.Mirror, source *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	metadata := reference.NewMirror(dataset, mirror, source)
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&metadata)
	if err != nil {
		return nil, fmt.Errorf("making the metadata of %s: %w", mirror.Target, err)
	}
	wanted := &unstructured.Unstructured{Object: map[string]any{"metadata": fields}}
	wanted.SetGroupVersionKind(source.GroupVersionKind())
	for _, field := range payload() {
		if value, ok := source.Object[field]; ok {
			wanted.Object[field] = value
		}
	}
	return wanted, nil
}

// repair patches a mirror of ours where it differs; labels and annotations that others added stay. An immutable one
// can't be patched: it is deleted, and its deletion is the event that makes it new.
func (r *ReferenceReconciler) repair(ctx context.Context, existing, wanted *unstructured.Unstructured) error {
	before := existing.DeepCopy()
	existing.SetLabels(merged(existing.GetLabels(), wanted.GetLabels()))
	existing.SetAnnotations(merged(existing.GetAnnotations(), wanted.GetAnnotations()))
	changed := false
	for _, field := range payload() {
		value, ok := wanted.Object[field]
		if equality.Semantic.DeepEqual(existing.Object[field], value) {
			continue
		}
		changed = true
		if ok {
			existing.Object[field] = value
		} else {
			delete(existing.Object, field)
		}
	}
	if equality.Semantic.DeepEqual(before.Object, existing.Object) {
		return nil
	}
	if immutable, _, _ := unstructured.NestedBool(before.Object, "immutable"); immutable && changed {
		return r.deleteMirror(ctx, before)
	}
	return r.patch(ctx, existing, before)
}

func (r *ReferenceReconciler) deleteMirror(ctx context.Context, mirror client.Object) error {
	uid := mirror.GetUID()
	if err := client.IgnoreNotFound(r.Client.Delete(ctx, mirror, client.Preconditions{UID: &uid})); err != nil {
		return fmt.Errorf("deleting the mirror %s: %w", client.ObjectKeyFromObject(mirror), err)
	}
	return nil
}

func merged(present, wanted map[string]string) map[string]string {
	all := maps.Clone(present)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, wanted)
	return all
}

// removeMirrors deletes ConfigMaps of the reference's own that its plan doesn't have any more. Mirrored Secrets stay
// until the reference goes: finding them takes the right to list Secrets.
func (r *ReferenceReconciler) removeMirrors(ctx context.Context, dataset *datav1alpha1.Dataset, plan *reference.Plan) error {
	wanted := map[string]bool{}
	for _, mirror := range plan.Mirrors {
		if mirror.Target.Kind == "ConfigMap" {
			wanted[mirror.Target.Name] = true
		}
	}
	present := &metav1.PartialObjectMetadataList{}
	present.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	err := r.Client.List(ctx, present, client.InNamespace(dataset.Namespace), client.MatchingFields{indexMirrorOwner: string(dataset.UID)})
	if err != nil {
		return fmt.Errorf("listing the mirrors of Dataset %s: %w", plan.Reference, err)
	}
	for i := range present.Items {
		if mirror := &present.Items[i]; !wanted[mirror.Name] && reference.Owns(dataset, mirror) {
			if err := r.deleteMirror(ctx, mirror); err != nil {
				return err
			}
		}
	}
	return nil
}

// verified remembers which state of a mirror was found equal to which state of its source, so that an unchanged pair
// isn't read again.
type verified struct {
	mutex sync.Mutex
	pairs map[types.UID]string
}

func (v *verified) is(mirror, source metav1.Object) bool {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	return v.pairs[mirror.GetUID()] == reference.SourceVersion(mirror)+" "+reference.SourceVersion(source)
}

func (v *verified) set(mirror, source metav1.Object) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.pairs == nil {
		v.pairs = map[types.UID]string{}
	}
	v.pairs[mirror.GetUID()] = reference.SourceVersion(mirror) + " " + reference.SourceVersion(source)
}
