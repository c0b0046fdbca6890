package webhook

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	// ordinaryBody is the size up to which a body isn't counted: most AdmissionReviews of pods are smaller. So callers that
	// send large bodies never take the room of ordinary ones.
	ordinaryBody = 16 << 10
	// largeBody is the size from which a body may only use half of the budget.
	largeBody = 256 << 10
)

// Budget counts the bytes of bodies that are held at once.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a budget of so many bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// take counts more bytes of a body that then has size bytes, unless that is over the budget.
func (b *Budget) take(more, size int64) bool {
	limit := b.limit
	if size > largeBody {
		limit /= 2
	}
	if b.used.Add(more) <= limit {
		return true
	}
	b.used.Add(-more)
	return false
}

func (b *Budget) giveBack(taken int64) { b.used.Add(-taken) }

var (
	errBodyTooLarge = errors.New("the body is too large")
	errNoRoom       = errors.New("the bodies of other calls take all memory that there is for bodies")
)

// readBody reads a body before its call takes a place. Its memory grows with what has arrived, not with what the caller
// has announced, and counts in the budget until the call is answered: release gives it back.
func (l *Limits) readBody(w http.ResponseWriter, request *http.Request) (body []byte, release func(), err error) {
	announced := request.ContentLength
	if announced > l.BodyBytes {
		return nil, nil, errBodyTooLarge
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(l.BodyTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, nil, fmt.Errorf("setting the deadline of the body: %w", err)
	}
	most := l.BodyBytes + 1 // One byte more lets the end be seen, or that there is none.
	if announced >= 0 {
		most = announced + 1
	}
	reading := growing{limits: l, most: most, body: make([]byte, 0, min(most, ordinaryBody))}
	if err := reading.readAll(request.Body); err != nil {
		reading.release()
		return nil, nil, err
	}
	// The deadline mustn't end the call while it is answered.
	if err := control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		reading.release()
		return nil, nil, fmt.Errorf("taking off the deadline of the body: %w", err)
	}
	return reading.body, reading.release, nil
}

// growing is a body that is being read, whose memory never needs more than most bytes.
type growing struct {
	limits *Limits
	most   int64
	body   []byte
	taken  int64
}

func (g *growing) readAll(from io.Reader) error {
	for {
		if len(g.body) == cap(g.body) {
			if err := g.grow(); err != nil {
				return err
			}
		}
		n, err := from.Read(g.body[len(g.body):cap(g.body)])
		g.body = g.body[:len(g.body)+n]
		switch {
		case int64(len(g.body)) > g.limits.BodyBytes:
			return errBodyTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the body: %w", err)
		}
	}
}

// grow doubles the memory of the body. What the body had before is garbage then, and isn't counted any more.
func (g *growing) grow() error {
	size := min(2*int64(cap(g.body)), g.most)
	if !g.limits.InFlight.take(size-g.taken, size) {
		return errNoRoom
	}
	g.body = append(make([]byte, 0, size), g.body...)
	g.taken = size
	return nil
}

func (g *growing) release() {
	g.limits.InFlight.giveBack(g.taken)
	g.taken = 0
}
