package livetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// Writes records what a client writes.
type Writes struct {
	mutex sync.Mutex
	list  []string
}

func (w *Writes) add(verb string, object client.Object) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if object != nil {
		verb = fmt.Sprintf("%s %T %s", verb, object, client.ObjectKeyFromObject(object))
	}
	w.list = append(w.list, verb)
}

// Count returns the number of writes.
func (w *Writes) Count() int { return len(w.Of("")) }

// Of returns the writes to objects of a namespace, or of names that begin with it.
func (w *Writes) Of(namespace string) []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return slices.DeleteFunc(slices.Clone(w.list), func(write string) bool { return !strings.Contains(write, namespace) })
}

// Settled waits until nothing is written any more, and returns how many writes there were: what a watch that has just begun
// brings may come late on a busy machine.
func (w *Writes) Settled(t *testing.T) int {
	t.Helper()
	made := -1
	Eventually(t, "quiet", func() string {
		before := made
		if made = len(w.Of("")); made == before {
			return ""
		}
		time.Sleep(500 * time.Millisecond)
		return "it still writes"
	})
	return made
}

// Recording returns a client that records its writes.
func (w *Writes) Recording(inner client.WithWatch) client.Client {
	return interceptor.NewClient(inner, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			w.add("create", object)
			return c.Create(ctx, object, options...)
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			w.add("update", object)
			return c.Update(ctx, object, options...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			w.add("patch", object)
			return c.Patch(ctx, object, patch, options...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			w.add("delete", object)
			return c.Delete(ctx, object, options...)
		},
		Apply: func(ctx context.Context, c client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			w.add("apply", nil)
			return c.Apply(ctx, object, options...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			w.add("patch "+sub, object)
			return c.SubResource(sub).Patch(ctx, object, patch, options...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, object client.Object, options ...client.SubResourceUpdateOption) error {
			w.add("update "+sub, object)
			return c.SubResource(sub).Update(ctx, object, options...)
		},
	})
}

// WithWatch lets a manager's client pass for one that watches, which the reconcilers never ask of it.
func WithWatch(c client.Client) client.WithWatch { return withWatch{c} }

type withWatch struct{ client.Client }

func (withWatch) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	panic("the reconcilers don't watch through their client")
}
