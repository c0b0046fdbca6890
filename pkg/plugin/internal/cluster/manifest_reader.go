package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// manifestReader reads a cluster as it will be once manifests have been applied.
type manifestReader struct {
	scheme  *runtime.Scheme
	objects map[manifestKey]manifestObject
	// order are the keys of objects in the order of the manifests.
	order []manifestKey
	// live is the cluster; nil if there is none.
	live client.Reader
}

type manifestKey struct {
	schema.GroupKind
	client.ObjectKey
}

var _ client.Reader = &manifestReader{}

// newManifestReader returns a reader; of two manifests of the same object the later one counts.
func newManifestReader(objects []manifestObject, live client.Reader) (*manifestReader, error) {
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	r := &manifestReader{scheme: scheme, objects: map[manifestKey]manifestObject{}, live: live}
	for _, object := range objects {
		if object.GetName() == "" {
			continue // What generateName makes nobody can ask for.
		}
		key := manifestKey{object.GroupVersionKind().GroupKind(), client.ObjectKeyFromObject(object)}
		if _, twice := r.objects[key]; !twice {
			r.order = append(r.order, key)
		}
		r.objects[key] = object
	}
	return r, nil
}

// file returns the manifest that an object is from; empty if it's from the cluster.
func (r *manifestReader) file(kind string, key client.ObjectKey) string {
	for have, object := range r.objects {
		if have.Kind == kind && have.ObjectKey == key {
			return object.File
		}
	}
	return ""
}

// Get returns an object of the manifests over what the cluster has of it.
func (r *manifestReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	kind, err := apiutil.GVKForObject(into, r.scheme)
	if err != nil {
		return err
	}
	object, found := r.objects[manifestKey{kind.GroupKind(), key}]
	switch {
	case !found && r.live == nil:
		return apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: strings.ToLower(kind.Kind)}, key.Name)
	case !found:
		return r.live.Get(ctx, key, into, options...)
	}
	var live *unstructured.Unstructured
	if r.live != nil {
		switch err := r.live.Get(ctx, key, into, options...); {
		case err == nil:
			if live, err = output.Generic(into); err != nil {
				return err
			}
		case !apierrors.IsNotFound(err) || observe.KindUnknown(err):
			return err
		}
	}
	return assign(r.applied(object, live), kind, into)
}

// applied returns a manifest's object as the API server would have it, live being what it has now; nil for nothing.
func (r *manifestReader) applied(object manifestObject, live *unstructured.Unstructured) *unstructured.Unstructured {
	result := object.DeepCopy()
	if live == nil {
		// By this a person is told whose the object is.
		if len(result.GetManagedFields()) == 0 {
			result.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "the manifest " + object.File}})
		}
		r.bind(result)
		return result
	}
	metadata, _, _ := unstructured.NestedMap(live.Object, "metadata")
	labels, annotations := maps.Clone(live.GetLabels()), maps.Clone(live.GetAnnotations())
	wanted := object.DeepCopy()
	result.Object["metadata"] = metadata
	result.SetLabels(overlaid(labels, wanted.GetLabels()))
	result.SetAnnotations(overlaid(annotations, wanted.GetAnnotations()))
	if status, ok := live.Object["status"]; ok {
		result.Object["status"] = status
	}
	return result
}

func overlaid(under, over map[string]string) map[string]string {
	if under == nil {
		return over
	}
	maps.Copy(under, over)
	return under
}

// bind tells of a Dataset that has no status yet which runtime the manifests have for it: names depend on that.
func (r *manifestReader) bind(dataset *unstructured.Unstructured) {
	if dataset.GetKind() != datav1alpha1.DatasetKind {
		return
	}
	if _, known, _ := unstructured.NestedSlice(dataset.Object, "status", "runtimes"); known {
		return
	}
	for _, candidate := range reference.Runtimes() {
		key := manifestKey{candidate.GroupVersionKind().GroupKind(), client.ObjectKeyFromObject(dataset)}
		if _, ok := r.objects[key]; ok {
			// It fails only if the status isn't an object: then whoever reads it says so.
			_ = unstructured.SetNestedSlice(dataset.Object, []any{map[string]any{"category": string(datav1alpha1.AccelerateCategory),
				"name": dataset.GetName(), "namespace": dataset.GetNamespace(), "type": candidate.Type}}, "status", "runtimes")
			return
		}
	}
}

// assign converts an object to what the caller asked for.
func assign(object *unstructured.Unstructured, kind schema.GroupVersionKind, into client.Object) error {
	if target, ok := into.(*unstructured.Unstructured); ok {
		target.Object = object.Object
		return nil
	}
	fields := object.Object
	if _, partial := into.(*metav1.PartialObjectMetadata); partial {
		fields = map[string]any{"metadata": object.Object["metadata"]}
	}
	data, err := json.Marshal(fields)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("reading the manifest of %s %s/%s: %w", kind.Kind, object.GetNamespace(), object.GetName(), err)
	}
	into.GetObjectKind().SetGroupVersionKind(kind)
	return nil
}

// List lists objects without Go types: those of the cluster, with the manifests applied, and those that only the
// manifests have. Of the options it knows the namespace; the list has one page.
func (r *manifestReader) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	into, ok := list.(*unstructured.UnstructuredList)
	if !ok {
		return fmt.Errorf("manifests can't be listed as %T", list)
	}
	kind := into.GroupVersionKind()
	kind.Kind = strings.TrimSuffix(kind.Kind, "List")
	limits := client.ListOptions{}
	limits.ApplyOptions(options)
	into.Items = nil
	if r.live != nil {
		for page, err := range Pages(ctx, r.live, NewList(kind), client.InNamespace(limits.Namespace)) {
			if err != nil {
				return err
			}
			into.Items = append(into.Items, page.Items...)
		}
	}
	seen := map[client.ObjectKey]bool{}
	for i := range into.Items {
		key := client.ObjectKeyFromObject(&into.Items[i])
		seen[key] = true
		if object, ok := r.objects[manifestKey{kind.GroupKind(), key}]; ok {
			into.Items[i] = *r.applied(object, &into.Items[i])
		}
	}
	for _, key := range r.order {
		if key.GroupKind == kind.GroupKind() && !seen[key.ObjectKey] && (limits.Namespace == "" || limits.Namespace == key.Namespace) {
			into.Items = append(into.Items, *r.applied(r.objects[key], nil))
		}
	}
	return nil
}
