package reconcile

import (
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// created remembers what this process has created for each reference until the caches have it: to a reconcile before that
// it would be missing, and be created again, in vain.
type created struct {
	objects memory.Of[types.NamespacedName, map[finding.Object]time.Time]
}

// note takes in that an object was created for a reference.
func (c *created) note(key types.NamespacedName, object finding.Object, now time.Time) {
	c.objects.Update(key, func(objects map[finding.Object]time.Time, known bool) (map[finding.Object]time.Time, bool) {
		if !known {
			objects = map[finding.Object]time.Time{}
		}
		objects[object] = now
		return objects, true
	})
}

// awaited returns how long the events may still take that bring what a World lacks; zero if it lacks nothing.
func (c *created) awaited(world *reference.World, now time.Time) (longest time.Duration) {
	c.objects.Update(world.Key(), func(objects map[finding.Object]time.Time, _ bool) (map[finding.Object]time.Time, bool) {
		for object, at := range objects {
			left := at.Add(cacheDelay).Sub(now)
			if left <= 0 || !world.Lacks(object) {
				delete(objects, object)
				continue
			}
			longest = max(longest, left)
		}
		return objects, len(objects) > 0
	})
	return longest
}

// forget drops a reference that is gone.
func (c *created) forget(key types.NamespacedName) { c.objects.Forget(key) }
