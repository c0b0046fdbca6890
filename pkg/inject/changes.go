package inject

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/cacheapi"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
)

// Changes wakes admissions that wait for objects which informer caches don't have yet.
type Changes struct {
	mutex sync.Mutex
	next  chan struct{} // nil while nobody waits
}

var _ toolscache.ResourceEventHandler = &Changes{}

// Watch makes the informers of all that the handlers read, and returns the Changes that these tell of. A runtime's kind that
// the API server doesn't have is left out. It doesn't wait until the caches are filled.
func Watch(ctx context.Context, informers cacheapi.Informers) (*Changes, error) {
	changes := &Changes{}
	add := func(kind client.Object) error {
		informer, err := informers.GetInformer(ctx, kind, cacheapi.BlockUntilSynced(false))
		if err == nil {
			_, err = informer.AddEventHandler(changes)
		}
		if err != nil {
			return fmt.Errorf("making the informer of %s (%T): %w", kind.GetObjectKind().GroupVersionKind().Kind, kind, err)
		}
		return nil
	}
	for _, kind := range Kinds() {
		if err := add(kind); err != nil {
			return nil, err
		}
	}
	for _, kind := range observe.RuntimeKinds() {
		if err := add(kind); err != nil && !meta.IsNoMatchError(err) {
			return nil, err
		}
	}
	return changes, nil
}

// Next returns a channel that the next event closes. An informer has an object in its store before it tells of it: who takes
// the channel, looks into the caches and then waits, misses nothing.
func (c *Changes) Next() <-chan struct{} {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

func (c *Changes) wake() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// OnAdd wakes who waits.
func (c *Changes) OnAdd(any, bool) { c.wake() }

// OnUpdate wakes who waits.
func (c *Changes) OnUpdate(any, any) { c.wake() }

// OnDelete wakes who waits.
func (c *Changes) OnDelete(any) { c.wake() }
