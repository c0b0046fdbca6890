package reconcile

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// payload returns the fields of a ConfigMap or Secret that a mirror has from its source.
func payload() []string { return []string{"data", "binaryData", "immutable", "type"} }

// applyMirror creates a mirror or makes it what its source is. It reports whether a copy of Fluid's has the mirror's name
// and isn't what the source is. Contents are only read when the source or the mirror has changed since they were last
// compared. ConfigMaps and Secrets go the same way, without types.
func (r *ReferenceReconciler) applyMirror(ctx context.Context, world *reference.World, mirror reference.Mirror) (stale bool, err error) {
	sourceMeta, existingMeta := world.Metadata(mirror.Original), world.Metadata(mirror.Target)
	if sourceMeta == nil {
		return false, nil // an optional one, or a finding says so
	}
	if existingMeta != nil && r.inputs.isVerified(world.Key(), mirror.Target, existingMeta, sourceMeta) {
		return false, nil
	}
	source, err := r.readSource(ctx, mirror.Original, sourceMeta)
	if err != nil {
		return false, client.IgnoreNotFound(err) // its deletion is an event
	}
	wanted, err := wantedMirror(world.Dataset, mirror, source)
	if err != nil {
		return false, err
	}
	if existingMeta == nil {
		err = r.create(ctx, world.Key(), wanted)
		if err == nil {
			r.inputs.verify(world.Key(), mirror.Target, wanted, source)
		}
		return false, err
	}
	existing, err := r.read(ctx, mirror.Target)
	if err != nil {
		return false, client.IgnoreNotFound(err)
	}
	if !reference.Owns(world.Dataset, existing) && !reference.HasLostMark(world.Dataset, existing) {
		// A copy of Fluid's is as good as ours while it is what its source is. Else it was replaced by a foreign one since
		// the plan was made, and its event brings us back.
		return reference.IsCopyOfFluid(world.Dataset, existing) && !sameText(existing, wanted), nil
	}
	if err := r.repair(ctx, existing, wanted); err != nil {
		return false, err
	}
	r.inputs.verify(world.Key(), mirror.Target, existing, source)
	return false, nil
}

// sameText reports whether a copy of Fluid's has what its source has. Fluid copies only the text of ConfigMaps.
func sameText(existing, wanted *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(existing.Object["data"], wanted.Object["data"]) &&
		equality.Semantic.DeepEqual(existing.Object["binaryData"], wanted.Object["binaryData"])
}

func (r *ReferenceReconciler) read(ctx context.Context, object finding.Object) (*unstructured.Unstructured, error) {
	content := &unstructured.Unstructured{}
	content.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(object.Kind))
	if err := r.Live.Get(ctx, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, content); err != nil {
		return nil, fmt.Errorf("reading %s: %w", object, err)
	}
	return content, nil
}

// readSource reads a source unless it was read in the same state a moment ago.
func (r *ReferenceReconciler) readSource(ctx context.Context, object finding.Object, state metav1.Object) (*unstructured.Unstructured, error) {
	if content := r.sources.get(object, state); content != nil {
		return content, nil
	}
	content, err := r.read(ctx, object)
	if err == nil {
		r.sources.keep(object, content)
	}
	return content, err
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
	if wanted.Object["type"] == string(corev1.SecretTypeServiceAccountToken) {
		// Kubernetes deletes a token whose ServiceAccount isn't in its namespace. To a container the type is the same.
		wanted.Object["type"] = string(corev1.SecretTypeOpaque)
	}
	return wanted, nil
}

// repair patches a mirror of ours where it differs; labels, annotations and owners that others added stay. An immutable
// one can't be patched, nor can the type of a Secret: it is deleted, and its deletion is the event that makes it new.
func (r *ReferenceReconciler) repair(ctx context.Context, existing, wanted *unstructured.Unstructured) error {
	before := existing.DeepCopy()
	existing.SetLabels(labels.Merge(existing.GetLabels(), wanted.GetLabels()))
	existing.SetAnnotations(labels.Merge(existing.GetAnnotations(), wanted.GetAnnotations()))
	existing.SetOwnerReferences(withOwners(existing.GetOwnerReferences(), wanted.GetOwnerReferences()))
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
	immutable, _, _ := unstructured.NestedBool(before.Object, "immutable")
	if retyped := before.Object["type"] != wanted.Object["type"]; retyped || (immutable && changed) {
		return r.deleteMirror(ctx, before)
	}
	return r.patch(ctx, existing, before)
}

func (r *ReferenceReconciler) deleteMirror(ctx context.Context, mirror client.Object) error {
	uid := mirror.GetUID()
	if err := client.IgnoreNotFound(r.Client.Delete(ctx, mirror, client.Preconditions{UID: &uid})); err != nil {
		return r.refused(mirror, fmt.Errorf("deleting the mirror %s: %w", client.ObjectKeyFromObject(mirror), err))
	}
	return nil
}

// withOwners returns the present owners, and the wanted ones that aren't among them.
func withOwners(present, wanted []metav1.OwnerReference) []metav1.OwnerReference {
	all := slices.Clone(present)
	for _, owner := range wanted {
		if !slices.ContainsFunc(present, func(o metav1.OwnerReference) bool { return o.UID == owner.UID }) {
			all = append(all, owner)
		}
	}
	return all
}

// removeMirrors deletes mirrors of the reference's own that its plan doesn't have any more. Where Secrets may not be
// watched only those of this process' plans are known; others stay until the reference goes.
func (r *ReferenceReconciler) removeMirrors(ctx context.Context, dataset *datav1alpha1.Dataset, plan *reference.Plan) error {
	for kind, own := range r.ownMirrors {
		for _, name := range own.of(dataset.UID) {
			wanted := slices.ContainsFunc(plan.Mirrors, func(m reference.Mirror) bool { return m.Target.Kind == kind && m.Target.Name == name })
			if wanted {
				continue
			}
			if err := r.removeMirror(ctx, dataset, finding.Object{Kind: kind, Namespace: dataset.Namespace, Name: name}); err != nil {
				return err
			}
		}
	}
	for _, object := range r.inputs.leftovers(plan.Reference) {
		if err := r.removeMirror(ctx, dataset, object); apierrors.IsForbidden(err) {
			log.FromContext(ctx).Info("A mirror that isn't needed any more may not be deleted", "mirror", object.String(), "reason", err.Error())
		} else if err != nil {
			return err
		}
	}
	r.inputs.removed(plan.Reference)
	return nil
}

// removeMirror deletes a mirror if it is there and still the reference's own, be it without mark or owner.
func (r *ReferenceReconciler) removeMirror(ctx context.Context, dataset *datav1alpha1.Dataset, object finding.Object) error {
	mirror := &metav1.PartialObjectMetadata{}
	mirror.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(object.Kind))
	err := secretReader{r.Client, &r.secrets}.Get(ctx, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, mirror)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading %s, a mirror that Dataset %s/%s doesn't need any more: %w", object, dataset.Namespace, dataset.Name, err)
	case reference.Owns(dataset, mirror), reference.HasLostMark(dataset, mirror):
		return r.deleteMirror(ctx, mirror)
	}
	return nil
}
