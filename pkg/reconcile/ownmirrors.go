package reconcile

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// ownMirrors knows the names of the mirrors of one kind that there are of each reference, from the events of informers.
// An index of the cache would do the same with seven times the memory.
type ownMirrors struct {
	names memory.Of[types.UID, []string]
}

// kept hears of the events before a handler.
func (m *ownMirrors) kept(next handler.EventHandler) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) {
			m.replace(nil, e.Object)
			next.Create(ctx, e, q)
		},
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			m.replace(e.ObjectOld, e.ObjectNew)
			next.Update(ctx, e, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			m.replace(e.Object, nil)
			next.Delete(ctx, e, q)
		},
	}
}

// replace takes in that an object has changed from one state to another; nil is none. The lists are copied, since others
// may be reading them.
func (m *ownMirrors) replace(before, after client.Object) {
	if uid := markOf(before); uid != "" && uid != markOf(after) {
		m.names.Update(uid, func(names []string, _ bool) ([]string, bool) {
			left := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == before.GetName() })
			return left, len(left) > 0
		})
	}
	if uid := markOf(after); uid != "" {
		m.names.Update(uid, func(names []string, _ bool) ([]string, bool) {
			if slices.Contains(names, after.GetName()) {
				return names, true
			}
			return append(slices.Clone(names), after.GetName()), true
		})
	}
}

// of returns the names of a reference's mirrors, which the caller mustn't change.
func (m *ownMirrors) of(uid types.UID) []string {
	names, _ := m.names.Get(uid)
	return names
}

// markOf returns the UID of the reference that an object was made for.
func markOf(object client.Object) types.UID {
	if object == nil {
		return ""
	}
	return types.UID(object.GetLabels()[reference.LabelReferenceUID])
}
