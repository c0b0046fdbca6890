package reconcile

import "time"

// Delays after which a reference is looked at again. Everything else is brought back by events; each of these says why no
// event would do. Package queue has those of reconciles that failed.
const (
	// unreadDelay follows a read or a write that isn't allowed: granting a right or raising a quota is no event.
	unreadDelay = 30 * time.Second
	// secretDelay is how often mirrored Secrets are compared with their sources where they may be read but not watched: their
	// changes are no events then.
	secretDelay = 5 * time.Minute
	// rewatchDelay is how long after its first refusal a watch of Secrets is tried again; it doubles with each, up to
	// secretDelay. Granting a right is no event, and the refusal may be older than the right by the time that it is known.
	rewatchDelay = 10 * time.Second
	// cacheDelay is how long an object that was created may be missing in the caches. After that it has been deleted again,
	// and the cache never had it, so that its deletion was no event.
	cacheDelay = time.Second
	// fluidTakesDown is how long a ThinRuntime that is being deleted is left to Fluid's thinruntime-controller where that
	// runs; that Fluid does nothing is no event. Its finalizer is Fluid's as well: without it Fluid may just be making the
	// claim and the volume anew that were deleted, and never look again.
	fluidTakesDown = 30 * time.Second
	// eraserDelay is how long this project's condition stays out of all statuses after somebody else erased it again and again:
	// that Fluid's thinruntime-controller has ended is no event. A status that changes after that has it again.
	eraserDelay = 10 * time.Minute
	// longestPause is the most that a reference waits for a write of its physical Dataset's list because of the write before:
	// the pause keeps lists from being written all the time, and its end is no event.
	longestPause = time.Second
)
