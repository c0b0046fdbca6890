package thinruntime

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/statuspatch"
)

// patchStatus makes a change to the status of an object of Fluid's. It writes nothing if the change changes nothing.
// The object from the cache only decides whether to look closer: the patch is made from the live object without types
// and carries the change alone, for Fluid's CRDs have more fields, also within the items of lists, than these types.
func (r *Reconciler) patchStatus(ctx context.Context, cached client.Object, change func(client.Object)) (bool, error) {
	if wanted := cached.DeepCopyObject().(client.Object); !changes(wanted, cached, change) {
		return false, nil
	}
	gvk, err := apiutil.GVKForObject(cached, r.Client.Scheme())
	if err != nil {
		return false, err
	}
	describe := func(err error) error {
		return fmt.Errorf("writing the status of %s %s: %w", gvk.Kind, client.ObjectKeyFromObject(cached), err)
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(gvk)
	if err = r.Live.Get(ctx, client.ObjectKeyFromObject(cached), live); err != nil {
		return false, describe(client.IgnoreNotFound(err))
	}
	if live.GetUID() != cached.GetUID() {
		return false, nil
	}
	before, err := r.Client.Scheme().New(gvk)
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, before)
	}
	if err != nil {
		return false, describe(err)
	}
	after := before.DeepCopyObject().(client.Object)
	if !changes(after, before.(client.Object), change) {
		return false, nil
	}
	status, err := carriedStatus(live, before, after)
	if err != nil {
		return false, describe(err)
	}
	err = statuspatch.Write(ctx, r.Client, live, live.Object["status"], status)
	return err == nil, client.IgnoreNotFound(err)
}

// changes applies a change to a copy and reports whether it differs from the original then.
func changes(duplicate, original client.Object, change func(client.Object)) bool {
	change(duplicate)
	return !equality.Semantic.DeepEqual(duplicate, original)
}

// statusOf returns the fields of an object's status.
func statusOf(object runtime.Object) (any, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	return fields["status"], err
}

// carriedStatus returns the status of an object as it really is with the change from one state of its type to another.
func carriedStatus(live *unstructured.Unstructured, before, after runtime.Object) (map[string]any, error) {
	from, fromErr := statusOf(before)
	to, toErr := statusOf(after)
	if err := errors.Join(fromErr, toErr); err != nil {
		return nil, err
	}
	status, err := statuspatch.Carry(live.Object["status"], from, to)
	if err != nil {
		return nil, err
	}
	was, isDataset := before.(*datav1alpha1.Dataset)
	if isDataset && !equality.Semantic.DeepEqual(was.Status.Mounts, after.(*datav1alpha1.Dataset).Status.Mounts) {
		// The mounts in the status are those of the spec, with every field that they have there.
		spec, _ := live.Object["spec"].(map[string]any)
		status["mounts"] = spec["mounts"]
	}
	return status, nil
}
