package reconcile

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// inputs knows which references depend on which ConfigMaps and Secrets, by their last plans: the sources of mirrors and
// whatever has a mirror's name, or will bring what has it.
type inputs struct {
	mutex   sync.Mutex
	users   map[reference.Object]map[types.NamespacedName]bool
	objects map[types.NamespacedName][]reference.Object
}

// remember replaces what a plan's reference depends on.
func (i *inputs) remember(plan *reference.Plan) {
	objects := slices.Clone(plan.Rivals)
	for _, mirror := range plan.Mirrors {
		objects = append(objects, mirror.Source, mirror.Target)
	}
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if slices.Equal(i.objects[plan.Reference], objects) {
		return
	}
	i.drop(plan.Reference)
	if i.users == nil {
		i.users = map[reference.Object]map[types.NamespacedName]bool{}
		i.objects = map[types.NamespacedName][]reference.Object{}
	}
	i.objects[plan.Reference] = objects
	for _, object := range objects {
		if i.users[object] == nil {
			i.users[object] = map[types.NamespacedName]bool{}
		}
		i.users[object][plan.Reference] = true
	}
}

// forget drops a reference that is gone.
func (i *inputs) forget(key types.NamespacedName) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.drop(key)
}

func (i *inputs) drop(key types.NamespacedName) {
	for _, object := range i.objects[key] {
		delete(i.users[object], key)
		if len(i.users[object]) == 0 {
			delete(i.users, object)
		}
	}
	delete(i.objects, key)
}

// dependsOn returns what a reference depends on by its last plan.
func (i *inputs) dependsOn(key types.NamespacedName) []reference.Object {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return slices.Clone(i.objects[key])
}

// of returns the references that depend on an object.
func (i *inputs) of(object reference.Object) []types.NamespacedName {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	keys := make([]types.NamespacedName, 0, len(i.users[object]))
	for key := range i.users[object] {
		keys = append(keys, key)
	}
	return keys
}
