// Package observe shows a Plan what it depends on, from whatever holds Kubernetes objects: a live API server, informer
// caches, or files. It only reads.
package observe

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Plan plans a Dataset, looks for what the plan depends on, and plans again, until the plan has seen all of it. What may not
// be read (Forbidden) the World says; any other failure but NotFound is returned as an error that names the object.
func Plan(ctx context.Context, reader client.Reader, dataset *datav1alpha1.Dataset, policy reference.Policy) (*reference.World, *reference.Plan, error) {
	world := reference.NewWorld(dataset, policy)
	for {
		plan := reference.NewPlan(world)
		if len(plan.Unlooked) == 0 {
			return world, plan, nil
		}
		for _, object := range plan.Unlooked {
			if err := look(ctx, reader, world, plan.Source, object); err != nil {
				return nil, nil, err
			}
		}
	}
}

// look shows a World an object. One without a name stands for all of its kind and namespace.
func look(ctx context.Context, reader client.Reader, world *reference.World, source reference.Source, object finding.Object) error {
	if object.Name == "" {
		return lookForOperations(ctx, reader, world, object)
	}
	into := newObject(object.Kind)
	// What a World has is only read: with a thousand references, copies of the physical Dataset's list of them would be
	// most of the work.
	err := reader.Get(ctx, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, into, client.UnsafeDisableDeepCopy)
	state := reference.State{}
	switch {
	case err == nil:
		state.Object = into
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
	case apierrors.IsForbidden(err):
		state.Unread = err.Error()
	default:
		return fmt.Errorf("reading %s: %w", object, err)
	}
	return world.See(source, object, state)
}

// newObject returns an empty object of a kind. Of ConfigMaps, Secrets and Namespaces only metadata is read; runtimes that
// have no type here are read without one.
func newObject(kind string) client.Object {
	switch kind {
	case datav1alpha1.DatasetKind:
		return &datav1alpha1.Dataset{}
	case datav1alpha1.ThinRuntimeKind:
		return &datav1alpha1.ThinRuntime{}
	case "PersistentVolumeClaim":
		return &corev1.PersistentVolumeClaim{}
	case "PersistentVolume":
		return &corev1.PersistentVolume{}
	case "DaemonSet":
		return &appsv1.DaemonSet{}
	case "ConfigMap", "Secret", "Namespace":
		metadata := &metav1.PartialObjectMetadata{}
		metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
		return metadata
	}
	runtime := &unstructured.Unstructured{}
	runtime.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(kind))
	return runtime
}

// lookForOperations shows a World which data operations of a kind name the reference. A cluster without Fluid's data
// operations doesn't have the kind. Nothing is said of what may not be listed.
func lookForOperations(ctx context.Context, reader client.Reader, world *reference.World, object finding.Object) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(object.Kind + "List"))
	err := reader.List(ctx, list, client.InNamespace(object.Namespace))
	if err != nil && !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
		return fmt.Errorf("listing %s objects in namespace %s: %w", object.Kind, object.Namespace, err)
	}
	world.SeeOperations(object, list.Items)
	return nil
}

// Kinds are the kinds of objects that plans for admission depend on. Who reads them from informer caches must see to it
// that there are informers: a cache makes one at the first reading, which takes requests.
func Kinds() []client.Object {
	return []client.Object{&datav1alpha1.Dataset{}, &datav1alpha1.ThinRuntime{}, &corev1.PersistentVolumeClaim{},
		&corev1.PersistentVolume{}, &appsv1.DaemonSet{}}
}

// RuntimeKinds are more kinds that plans for admission depend on, which a cluster need not have.
func RuntimeKinds() []client.Object {
	var kinds []client.Object
	for _, rt := range reference.Runtimes() {
		if rt.Metrics {
			kinds = append(kinds, newObject(rt.Kind))
		}
	}
	return kinds
}
