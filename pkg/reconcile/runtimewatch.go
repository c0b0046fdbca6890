package reconcile

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// runtimeWatches watches the kinds of Fluid's runtimes that physical Datasets are bound to, each from the first time on
// that a reference meets one. A cluster needn't have their CRDs, and may get them later.
type runtimeWatches struct {
	watch func(reference.Runtime) error

	watched memory.Of[string, bool] // by kind
}

// setup says where the events go.
func (w *runtimeWatches) setup(manager ctrl.Manager, built controller.Controller, events handler.EventHandler) {
	w.watch = func(rt reference.Runtime) error {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(rt.GroupVersionKind())
		if _, err := manager.GetRESTMapper().RESTMapping(rt.GroupVersionKind().GroupKind(), rt.GroupVersionKind().Version); err != nil {
			return err
		}
		return built.Watch(source.Kind[client.Object](manager.GetCache(), object, events, statusChanges()))
	}
}

// statusChanges leaves out updates of runtimes that don't change what references mirror.
func statusChanges() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.(*unstructured.Unstructured), e.ObjectNew.(*unstructured.Unstructured)
		return !equality.Semantic.DeepEqual(before.Object["status"], after.Object["status"])
	}}
}

// ensure watches the kind of a physical Dataset's runtime. ThinRuntimes are watched anyway.
func (w *runtimeWatches) ensure(physical *datav1alpha1.Dataset) error {
	if physical == nil || w.watch == nil {
		return nil
	}
	rt, known := reference.RuntimeOfDataset(physical)
	if !known || rt.NoSidecar != "" || rt.Type == reference.ThinType {
		return nil
	}
	var err error
	w.watched.Update(rt.Kind, func(watched, _ bool) (bool, bool) {
		if !watched {
			err = w.watch(rt)
		}
		return true, err == nil
	})
	if err != nil && !meta.IsNoMatchError(err) {
		return fmt.Errorf("watching %ss: %w", rt.Kind, err)
	}
	return nil // also if the CRD isn't installed: whoever installs it makes a runtime, which is an event of the physical Dataset
}
