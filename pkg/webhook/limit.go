package webhook

import (
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// Limits bound what one webhook does at once, and what its callers can make it hold.
type Limits struct {
	// Running is how many calls are answered at a time.
	Running int
	// Waiting is how many more calls, whose bodies have been read, may wait for their turn.
	Waiting int
	// Patience is how long a call waits for its turn.
	Patience time.Duration
	// BodyBytes is the size of the largest body.
	BodyBytes int64
	// BodyTime is how long a caller may take to send its body. A caller that takes longer holds no place meanwhile.
	BodyTime time.Duration
	// InFlight bounds the bytes of all bodies that are held at once. Webhooks of one process share it.
	InFlight *Budget
}

// DefaultLimits suit handlers that only use the processor.
//
// The API server accepts objects of up to 3 MiB and sends at most two of them, and little else: 7 MiB.
func DefaultLimits(inFlight *Budget) Limits {
	return Limits{Running: 32, Waiting: 512, Patience: time.Second, BodyBytes: 7 << 20, BodyTime: 2 * time.Second, InFlight: inFlight}
}

// BudgetShare is the part of the process's memory limit that bodies may take together. What is made of a body while it is
// answered is smaller than the body, and the garbage collector lets the heap grow to three times what is live (GOGC=200).
const (
	BudgetShare = 16
	// defaultBudget applies to a process without a memory limit.
	defaultBudget = 32 << 20
)

// BudgetOfProcess returns the budget that follows from the memory limit of this process (GOMEMLIMIT).
func BudgetOfProcess() *Budget {
	limit := debug.SetMemoryLimit(-1) // A negative limit only reads it.
	if limit == math.MaxInt64 {
		return NewBudget(defaultBudget)
	}
	return NewBudget(limit / BudgetShare)
}

// retryAfter is in how many seconds a caller that was turned away should come again.
const retryAfter = 1

// places are those of one webhook's calls.
type places struct {
	limits            Limits
	running, admitted chan struct{}
}

func newPlaces(limits Limits) *places {
	return &places{limits: limits, running: make(chan struct{}, limits.Running), admitted: make(chan struct{}, limits.Running+limits.Waiting)}
}

// enter waits for a place among the calls that are answered, as long as there is patience and a client. Whoever entered
// calls leave.
func (p *places) enter(request *http.Request) (leave func(), entered bool) {
	select {
	case p.admitted <- struct{}{}:
	default:
		return nil, false
	}
	select {
	case p.running <- struct{}{}:
	default:
		if !p.await(request) {
			<-p.admitted
			return nil, false
		}
	}
	return func() { <-p.running; <-p.admitted }, true
}

func (p *places) await(request *http.Request) bool {
	timer := time.NewTimer(p.limits.Patience)
	defer timer.Stop()
	select {
	case p.running <- struct{}{}:
		return true
	case <-timer.C:
	case <-request.Context().Done():
	}
	return false
}

// turnAway answers 503 with Retry-After: the API server waits that long and calls again, within the webhook's
// timeoutSeconds (client-go retries such answers, POST or not). If there is still no room then, the webhook's
// failurePolicy decides.
func turnAway(w http.ResponseWriter) {
	// Another connection may lead to another replica.
	w.Header().Set("Connection", "close")
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	http.Error(w, "the webhook server has too much to do; come again", http.StatusServiceUnavailable)
}
