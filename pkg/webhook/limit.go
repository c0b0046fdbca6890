package webhook

import (
	"net/http"
	"strconv"
	"time"
)

// Limits bound what one webhook does at once.
type Limits struct {
	// Running is how many calls are answered at a time.
	Running int
	// Waiting is how many more may wait for their turn. Their bodies are still unread.
	Waiting int
	// Patience is how long one waits.
	Patience time.Duration
	// BodyBytes is the size of the largest body.
	BodyBytes int64
}

// DefaultLimits suit handlers that only use the processor.
//
// The API server accepts objects of up to 3 MiB and sends at most two of them, and little else: 7 MiB.
var DefaultLimits = Limits{Running: 32, Waiting: 512, Patience: time.Second, BodyBytes: 7 << 20}

// retryAfter is in how many seconds whoever was turned away should come again.
const retryAfter = 1

// Limit bounds what next does at once. A call for which there is no room gets 503 with Retry-After: the API server waits
// that long and calls again, within the webhook's timeoutSeconds (client-go retries such answers, POST or not). If there
// is still no room then, the webhook's failurePolicy decides.
func Limit(limits Limits, next http.Handler) http.Handler {
	running := make(chan struct{}, limits.Running)
	admitted := make(chan struct{}, limits.Running+limits.Waiting)
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		select {
		case admitted <- struct{}{}:
			defer func() { <-admitted }()
		default:
			turnAway(w)
			return
		}
		if !enter(running, request, limits.Patience) {
			turnAway(w)
			return
		}
		defer func() { <-running }()
		request.Body = http.MaxBytesReader(w, request.Body, limits.BodyBytes)
		next.ServeHTTP(w, request)
	})
}

// enter waits for a place among those that run, as long as there is patience and a client.
func enter(running chan<- struct{}, request *http.Request, patience time.Duration) bool {
	select {
	case running <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case running <- struct{}{}:
		return true
	case <-timer.C:
	case <-request.Context().Done():
	}
	return false
}

func turnAway(w http.ResponseWriter) {
	// Another connection may lead to another replica.
	w.Header().Set("Connection", "close")
	w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
	http.Error(w, "the webhook server has too much to do; come again", http.StatusServiceUnavailable)
}
