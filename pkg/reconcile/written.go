package reconcile

import (
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// written remembers the version that this process last gave to a Dataset until the cache has it: a reconcile of an older
// state would write the same again, in vain.
type written struct {
	mutex    sync.Mutex
	versions map[types.NamespacedName]uint64
}

// isBehind reports whether a version is older than the last one written. An event brings the newer one.
func (w *written) isBehind(key types.NamespacedName, version string) bool {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	last, ok := w.versions[key]
	if !ok {
		return false
	}
	now, err := strconv.ParseUint(version, 10, 64)
	if err == nil && now < last {
		return true
	}
	delete(w.versions, key)
	return false
}

// note takes in that a Dataset was read in one version and has another now.
func (w *written) note(key types.NamespacedName, read, now string) {
	version, err := strconv.ParseUint(now, 10, 64)
	if err != nil || read == now {
		return
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if w.versions == nil {
		w.versions = map[types.NamespacedName]uint64{}
	}
	w.versions[key] = version
}

// forget drops a Dataset that is gone.
func (w *written) forget(key types.NamespacedName) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	delete(w.versions, key)
}
