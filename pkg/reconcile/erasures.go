package reconcile

import (
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
)

// erasures notices from statuses alone that somebody else writes them too. Fluid's thinruntime-controller does so wherever
// and under whatever name it runs: at each event of a reference it writes the status anew, without this project's condition
// (v1.0.8 and later). To put the condition back each time would be a fight without end.
type erasures struct {
	// puts are how often in a row the condition was put into the status of each reference that didn't have it.
	puts memory.Of[types.NamespacedName, puts]
	// last is when a condition was last given up, in nanoseconds since 1970; zero for never.
	last atomic.Int64
}

type puts struct {
	times int
	last  time.Time
}

// mostPuts is how often in a row a condition is put into a status. Once follows from the status being new, and once more from
// somebody having edited it by hand.
const mostPuts = 2

// giveUp reports whether the condition of a reference is to be left out of its status, because it was erased as often as it
// was put there.
func (e *erasures) giveUp(key types.NamespacedName, present []datav1alpha1.DatasetCondition, now time.Time) bool {
	if readyCondition(present).Type != "" {
		return false
	}
	if p, _ := e.puts.Get(key); p.times < mostPuts || now.Sub(p.last) >= eraserDelay {
		return false
	}
	e.last.Store(now.UnixNano())
	return true
}

// put takes in that the condition was put into a status that had these conditions before.
func (e *erasures) put(key types.NamespacedName, before []datav1alpha1.DatasetCondition, now time.Time) {
	if readyCondition(before).Type != "" {
		return
	}
	e.puts.Update(key, func(p puts, _ bool) (puts, bool) {
		if now.Sub(p.last) >= eraserDelay {
			p.times = 0
		}
		return puts{p.times + 1, now}, true
	})
}

// goOn reports whether conditions have been erased a short time ago, those of whichever references.
func (e *erasures) goOn(now time.Time) bool {
	last := e.last.Load()
	return last != 0 && now.Sub(time.Unix(0, last)) < eraserDelay
}

// forget drops a reference that is gone.
func (e *erasures) forget(key types.NamespacedName) { e.puts.Forget(key) }
