package reconcile

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// created remembers what this process has created for each reference until the caches have it: to a reconcile before that
// it would be missing, and be created again, in vain.
type created struct {
	mutex   sync.Mutex
	objects map[types.NamespacedName]map[reference.Object]time.Time
}

// cacheDelay is how long an object that was created may be missing in the caches. After that it has been deleted again.
const cacheDelay = time.Second

// note takes in that an object was created for a reference.
func (c *created) note(key types.NamespacedName, object reference.Object, now time.Time) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.objects == nil {
		c.objects = map[types.NamespacedName]map[reference.Object]time.Time{}
	}
	if c.objects[key] == nil {
		c.objects[key] = map[reference.Object]time.Time{}
	}
	c.objects[key][object] = now
}

// awaited returns how long the events may still take that bring what a World lacks; zero if it lacks nothing.
func (c *created) awaited(world *reference.World, now time.Time) time.Duration {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	var longest time.Duration
	for object, at := range c.objects[world.Key()] {
		left := at.Add(cacheDelay).Sub(now)
		if left <= 0 || !lacks(world, object) {
			delete(c.objects[world.Key()], object)
			continue
		}
		longest = max(longest, left)
	}
	if len(c.objects[world.Key()]) == 0 {
		delete(c.objects, world.Key())
	}
	return longest
}

// forget drops a reference that is gone.
func (c *created) forget(key types.NamespacedName) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.objects, key)
}

// lacks reports whether somebody has looked for an object and it isn't there.
func lacks(world *reference.World, object reference.Object) bool {
	switch object.Kind {
	case datav1alpha1.ThinRuntimeKind:
		return world.ThinRuntime == nil
	case "PersistentVolume":
		return world.Volume == nil
	case "PersistentVolumeClaim":
		return world.Claim == nil
	case "ConfigMap", "Secret":
		return world.Taken != nil && world.Taken[object] == nil
	}
	return false
}
