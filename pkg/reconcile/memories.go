package reconcile

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
)

// memories is everything that this process remembers of references from one reconcile to the next. A process that starts
// anew remembers nothing: it reads more, and may make an event again, but writes nothing else that it wouldn't have written.
//
// What is remembered of a reference is forgotten in forget, once the reference is gone. What goes earlier says so here.
type memories struct {
	// inputs are what each reference depends on by its last plan, and which of its mirrors were found equal to their sources.
	// The next plan replaces them.
	inputs inputs
	// ownMirrors are the names of each reference's mirrors, by kind. They go with the mirrors, by the events of informers.
	ownMirrors map[string]*ownMirrors
	// sources are the contents of the ConfigMaps that were mirrored last. Newer ones take their place.
	sources sources
	// written is the version that this process gave to each Dataset. It goes when the cache has that version.
	written written
	// created are the objects that this process made for each reference. Each goes when the cache has it, or after cacheDelay.
	created created
	// erasures are how often each reference's condition was put into its status. They count for eraserDelay.
	erasures erasures
	// said is what an event said last of each reference.
	said tell.Last
	// saidOfTemplate is what an event said last of whoever has the name of each reference's template for Fluid's webhook.
	saidOfTemplate tell.Last
}

// forget drops what is known of a reference that is gone. Its mirrors go by themselves.
func (m *memories) forget(key types.NamespacedName) {
	m.inputs.forget(key)
	m.written.forget(key)
	m.created.forget(key)
	m.erasures.forget(key)
	m.said.Forget(key)
	m.saidOfTemplate.Forget(key)
}
