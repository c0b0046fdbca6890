// Package observe reads the World of a reference from whatever holds Kubernetes objects: a live API server, informer
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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Reference reads everything that a Plan for a reference depends on. Objects that may not be read (Forbidden) are named
// in the World's Unread; any other failure but NotFound is returned as an error that names the object.
func Reference(ctx context.Context, reader client.Reader, dataset *datav1alpha1.Dataset, names reference.MirrorNames) (*reference.World, error) {
	w, err := ReferenceWithoutMirrors(ctx, reader, dataset, names)
	if err != nil {
		return w, err
	}
	o := observer{ctx: ctx, reader: reader, world: w}
	if source, err := reference.SourceOf(dataset); err == nil {
		o.readRuntimeStatus(source)
		o.readMirrors(source)
		o.readNamespace()
	}
	return w, o.err
}

// ReferenceWithoutMirrors reads what Reference reads but the status of the physical's runtime, what mirrors are made
// from, and what has their names: enough to admit a reference, and all of it in the controller's informer caches.
func ReferenceWithoutMirrors(ctx context.Context, reader client.Reader, dataset *datav1alpha1.Dataset, names reference.MirrorNames) (*reference.World, error) {
	o := observer{ctx: ctx, reader: reader, world: newWorld(dataset, names)}
	w := o.world
	w.ThinRuntime = get(&o, datav1alpha1.ThinRuntimeKind, w.Key(), &datav1alpha1.ThinRuntime{})
	w.Claim = get(&o, "PersistentVolumeClaim", w.Key(), &corev1.PersistentVolumeClaim{})
	w.Volume = get(&o, "PersistentVolume", types.NamespacedName{Name: reference.VolumeName(w.Key())}, &corev1.PersistentVolume{})
	if source, err := reference.SourceOf(dataset); err == nil {
		o.readPhysical(source)
	}
	return w, o.err
}

// Kinds are the kinds of objects that ReferenceWithoutMirrors and Physical read. Who reads them from informer caches must
// see to it that there are informers: a cache makes one at the first reading, which takes requests.
func Kinds() []client.Object {
	return []client.Object{&datav1alpha1.Dataset{}, &datav1alpha1.ThinRuntime{}, &corev1.PersistentVolumeClaim{},
		&corev1.PersistentVolume{}, &appsv1.DaemonSet{}}
}

// RuntimeKinds are more kinds that ReferenceWithoutMirrors and Physical read, which a cluster need not have.
func RuntimeKinds() []client.Object {
	var kinds []client.Object
	for _, rt := range reference.Runtimes() {
		if rt.Metrics {
			kinds = append(kinds, newRuntime(rt))
		}
	}
	return kinds
}

func newRuntime(rt reference.Runtime) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(rt.GroupVersionKind())
	return object
}

// Physical reads what the sidecar of a physical Dataset in its own namespace is made from.
func Physical(ctx context.Context, reader client.Reader, dataset *datav1alpha1.Dataset) (*reference.World, error) {
	o := observer{ctx: ctx, reader: reader, world: newWorld(dataset, reference.UniqueNames)}
	o.readPhysical(reference.Source{Namespace: dataset.Namespace, Name: dataset.Name})
	return o.world, o.err
}

func newWorld(dataset *datav1alpha1.Dataset, names reference.MirrorNames) *reference.World {
	return &reference.World{
		Dataset:     dataset,
		MirrorNames: names,
		Unread:      map[finding.Object]string{},
	}
}

// observer reads until the first error, which it keeps.
type observer struct {
	ctx    context.Context
	reader client.Reader
	world  *reference.World
	err    error
}

// get reads an object; the zero value means that it isn't there, or that Unread says why it couldn't be read.
func get[T client.Object](o *observer, kind string, key types.NamespacedName, object T) T {
	var none T
	if o.err != nil {
		return none
	}
	// What a World has is only read: with a thousand references, copies of the physical Dataset's list of them would be
	// most of the work.
	err := o.reader.Get(o.ctx, key, object, client.UnsafeDisableDeepCopy)
	switch {
	case err == nil:
		return object
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
	case apierrors.IsForbidden(err):
		o.world.Unread[finding.Object{Kind: kind, Namespace: key.Namespace, Name: key.Name}] = err.Error()
	default:
		o.err = fmt.Errorf("reading %s %s: %w", kind, key, err)
	}
	return none
}

// readPhysical reads the physical Dataset, its volume and claim, and the DaemonSet of its FUSE pods.
func (o *observer) readPhysical(source reference.Source) {
	o.readTemplate(source)
	if w := o.world; w.Physical != nil {
		w.PhysicalClaim = get(o, "PersistentVolumeClaim", source.Key(), &corev1.PersistentVolumeClaim{})
	}
}

// readTemplate reads the physical Dataset, its volume, and the DaemonSet of its FUSE pods.
func (o *observer) readTemplate(source reference.Source) {
	w := o.world
	if source.Key() == w.Key() {
		w.Physical = w.Dataset
	} else {
		w.Physical = get(o, datav1alpha1.DatasetKind, source.Key(), &datav1alpha1.Dataset{})
	}
	if w.Physical == nil {
		return
	}
	w.PhysicalVolume = get(o, "PersistentVolume", types.NamespacedName{Name: reference.VolumeName(source.Key())}, &corev1.PersistentVolume{})
	if rt, ok := reference.RuntimeOfDataset(w.Physical); ok {
		key := types.NamespacedName{Namespace: source.Namespace, Name: rt.FuseDaemonSet(source.Name)}
		w.Fuse = get(o, "DaemonSet", key, &appsv1.DaemonSet{})
		o.readRuntime(rt, source)
	}
}

// readRuntime reads the runtime if its spec has a say in the sidecar. Where that isn't allowed nothing is said about it.
func (o *observer) readRuntime(rt reference.Runtime, source reference.Source) {
	if !rt.Metrics {
		return
	}
	o.world.Runtime = get(o, rt.Kind, source.Key(), newRuntime(rt))
	delete(o.world.Unread, finding.Object{Kind: rt.Kind, Namespace: source.Namespace, Name: source.Name})
}

// readRuntimeStatus reads the status of the physical's runtime. Runtimes other than ThinRuntime are read without types.
func (o *observer) readRuntimeStatus(source reference.Source) {
	if o.world.Physical == nil {
		return
	}
	rt, ok := reference.RuntimeOfDataset(o.world.Physical)
	switch {
	case !ok || rt.NoSidecar != "":
	case rt.Type == reference.ThinType:
		if thin := get(o, rt.Kind, source.Key(), &datav1alpha1.ThinRuntime{}); thin != nil {
			o.world.RuntimeStatus = &thin.Status
		}
	default:
		if object := get(o, rt.Kind, source.Key(), newRuntime(rt)); object != nil {
			o.world.RuntimeStatus = o.statusOf(object)
		}
	}
}

func (o *observer) statusOf(object *unstructured.Unstructured) *datav1alpha1.RuntimeStatus {
	fields, _, err := unstructured.NestedMap(object.Object, "status")
	status := &datav1alpha1.RuntimeStatus{}
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(fields, status)
	}
	if err != nil {
		o.err = fmt.Errorf("reading the status of %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	return status
}

// readMirrors reads the metadata of the mirrors' sources and of what has the mirrors' names.
func (o *observer) readMirrors(source reference.Source) {
	if o.err != nil || o.world.Physical == nil {
		return
	}
	o.world.Sources = map[finding.Object]*metav1.PartialObjectMetadata{}
	o.world.Taken = map[finding.Object]*metav1.PartialObjectMetadata{}
	_, mirrors, _ := reference.NewSidecar(o.world, source)
	for _, mirror := range mirrors {
		if object := o.metadata(mirror.Source); object != nil {
			o.world.Sources[mirror.Source] = object
		}
		if object := o.metadata(mirror.Target); object != nil {
			o.world.Taken[mirror.Target] = object
		}
	}
	if store, ok := reference.CredentialStore(o.world.Physical); ok && reference.HasEncryptOptions(o.world.Physical) {
		if object := o.metadata(store); object != nil {
			o.world.Sources[store] = object
		}
	}
	o.readRivals()
}

// readRivals finds out which Datasets and runtimes are there that would bring what has the names of mirrors.
func (o *observer) readRivals() {
	if o.world.MirrorNames != reference.SourceNames {
		return
	}
	o.world.Rivals = map[finding.Object]bool{}
	plan := reference.NewPlan(o.world)
	for _, object := range plan.Rivals {
		key := types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
		switch object.Kind {
		case datav1alpha1.DatasetKind:
			dataset := get(o, object.Kind, key, &datav1alpha1.Dataset{})
			o.world.Rivals[object] = dataset != nil && plan.IsRival(dataset)
		case datav1alpha1.ThinRuntimeKind: // that of a reference has no profile, and brings nothing
			thin := get(o, object.Kind, key, &datav1alpha1.ThinRuntime{})
			o.world.Rivals[object] = thin != nil && thin.Spec.ProfileName != ""
		default:
			runtime := &unstructured.Unstructured{}
			runtime.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(object.Kind))
			o.world.Rivals[object] = get(o, object.Kind, key, runtime) != nil
		}
	}
}

// Operations reads into a World which data operations name the reference. It lists four kinds that a cluster without
// Fluid's data operations doesn't have; only who reports on references wants to know. What may not be listed isn't said.
func Operations(ctx context.Context, reader client.Reader, world *reference.World) error {
	world.Operations = map[finding.Object]bool{}
	for _, kind := range reference.OperationKinds() {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(kind + "List"))
		err := reader.List(ctx, list, client.InNamespace(world.Dataset.Namespace))
		switch {
		case meta.IsNoMatchError(err), apierrors.IsNotFound(err), apierrors.IsForbidden(err):
			continue
		case err != nil:
			return fmt.Errorf("listing %s objects in namespace %s: %w", kind, world.Dataset.Namespace, err)
		}
		for i := range list.Items {
			if reference.OperatesOn(&list.Items[i], world.Key()) {
				world.Operations[finding.Object{Kind: kind, Namespace: list.Items[i].GetNamespace(), Name: list.Items[i].GetName()}] = true
			}
		}
	}
	return nil
}

// readNamespace reads the labels of the reference's namespace. Where that isn't allowed nothing is said about them.
func (o *observer) readNamespace() {
	namespace := finding.Object{Kind: "Namespace", Name: o.world.Dataset.Namespace}
	if object := o.metadata(namespace); object != nil {
		o.world.NamespaceLabels = object.Labels
	}
	delete(o.world.Unread, namespace)
}

func (o *observer) metadata(object finding.Object) *metav1.PartialObjectMetadata {
	partial := &metav1.PartialObjectMetadata{}
	partial.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(object.Kind))
	return get(o, object.Kind, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, partial)
}

// Names reads into a World of Reference what has the names that reference.Collisions looks at, beyond those of mirrors.
// Only who reports on collisions wants to know.
func Names(ctx context.Context, reader client.Reader, world *reference.World, source reference.Source) error {
	o := observer{ctx: ctx, reader: reader, world: world}
	if world.Taken == nil {
		world.Taken = map[finding.Object]*metav1.PartialObjectMetadata{}
	}
	for _, target := range reference.Names(world, source) {
		if world.Taken[target] != nil || world.Unread[target] != "" {
			continue
		}
		if object := o.metadata(target); object != nil {
			world.Taken[target] = object
		}
	}
	return o.err
}

// Sidecar reads what says whether pods get the sidecar of a Dataset, be it a reference or a physical one, and from which
// template: few requests, for looking at a pod. What has the names of a reference's other objects isn't read.
func Sidecar(ctx context.Context, reader client.Reader, dataset *datav1alpha1.Dataset, names reference.MirrorNames) (*reference.World, error) {
	o := observer{ctx: ctx, reader: reader, world: newWorld(dataset, names)}
	w := o.world
	claim := get(&o, "PersistentVolumeClaim", w.Key(), &corev1.PersistentVolumeClaim{})
	if !reference.IsReference(dataset) {
		w.PhysicalClaim = claim
		o.readTemplate(reference.Source{Namespace: dataset.Namespace, Name: dataset.Name})
		return w, o.err
	}
	w.Claim = claim
	if source, err := reference.SourceOf(dataset); err == nil {
		o.readTemplate(source)
	}
	return w, o.err
}
