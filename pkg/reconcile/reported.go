package reconcile

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// reported remembers the last condition of each reference that was an event, so that a reconcile which still reads the
// status from before the change doesn't make it again.
type reported struct {
	mutex      sync.Mutex
	conditions map[types.NamespacedName]report
}

type report struct{ reason, message string }

// isNews reports whether a condition differs from the last one, and remembers it.
func (r *reported) isNews(key types.NamespacedName, condition datav1alpha1.DatasetCondition) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := report{condition.Reason, condition.Message}
	if r.conditions[key] == now {
		return false
	}
	if r.conditions == nil {
		r.conditions = map[types.NamespacedName]report{}
	}
	r.conditions[key] = now
	return true
}

// forget drops a reference that is gone.
func (r *reported) forget(key types.NamespacedName) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.conditions, key)
}
