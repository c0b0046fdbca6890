package reconcile

import (
	"strconv"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
)

// written remembers the version that this process last gave to a Dataset until the cache has it: a reconcile of an older
// state would write the same again, in vain.
type written struct {
	versions memory.Of[types.NamespacedName, uint64]
}

// isBehind reports whether a version is older than the last one written. An event brings the newer one.
func (w *written) isBehind(key types.NamespacedName, version string) (behind bool) {
	now, err := strconv.ParseUint(version, 10, 64)
	w.versions.Update(key, func(last uint64, known bool) (uint64, bool) {
		behind = known && err == nil && now < last
		return last, behind
	})
	return behind
}

// note takes in that a Dataset was read in one version and has another now.
func (w *written) note(key types.NamespacedName, read, now string) {
	if version, err := strconv.ParseUint(now, 10, 64); err == nil && read != now {
		w.versions.Put(key, version)
	}
}

// forget drops a Dataset that is gone.
func (w *written) forget(key types.NamespacedName) { w.versions.Forget(key) }
