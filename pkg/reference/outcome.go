package reference

import (
	"maps"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Outcome is what became of a Plan when it was applied. The zero Outcome says that all went as planned.
type Outcome struct {
	// ThinRuntime is the reference's, as the API server returned it; nil if it wasn't created now.
	ThinRuntime *datav1alpha1.ThinRuntime
	// Refused says of the objects that the API server refused to write why.
	Refused map[finding.Object]string
	// Stale are the copies of Fluid's that differ from their sources.
	Stale map[finding.Object]bool
}

// Blocks reports whether the Outcome has anything that the next Plan must say.
func (o *Outcome) Blocks() bool { return len(o.Refused)+len(o.Stale) > 0 }

// NoteRefused takes in that the API server refused to write an object.
func (o *Outcome) NoteRefused(object finding.Object, reason string) {
	o.Refused = with(o.Refused, object, reason)
}

// NoteStale takes in that a copy of Fluid's differs from its source.
func (o *Outcome) NoteStale(object finding.Object) { o.Stale = with(o.Stale, object, true) }

// with returns a map with one more object, and leaves the given one as it is.
func with[V any](objects map[finding.Object]V, object finding.Object, value V) map[finding.Object]V {
	more := maps.Clone(objects)
	if more == nil {
		more = map[finding.Object]V{}
	}
	more[object] = value
	return more
}

// After returns the World as it is after a Plan for it was applied with an Outcome. The World itself stays as it was.
func (w *World) After(outcome Outcome) *World {
	next := *w
	next.Outcome = outcome
	if outcome.ThinRuntime != nil {
		next.ThinRuntime = outcome.ThinRuntime
	}
	return &next
}
