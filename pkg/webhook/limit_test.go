package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// blocking is a handler that says when it is asked, and answers once finish is closed.
type blocking struct{ asked, finish chan struct{} }

func newBlocking() blocking { return blocking{make(chan struct{}, 9), make(chan struct{})} }

func (b blocking) Handle(context.Context, admission.Request) admission.Response {
	b.asked <- struct{}{}
	<-b.finish
	return admission.Allowed("")
}

func small(limits Limits) Limits {
	limits.BodyBytes, limits.BodyTime, limits.InFlight = 1<<20, time.Minute, NewBudget(1<<20)
	return limits
}

// TestLimits: as many calls run as may, as many wait as may, and the rest is turned away so that the API server comes
// again.
func TestLimits(t *testing.T) {
	double := newBlocking()
	handler := Review(small(Limits{Running: 2, Waiting: 1, Patience: time.Minute}), double)
	body := review(t, 10)
	answers := make(chan *httptest.ResponseRecorder, 9)
	call := func() { answers <- send(handler, body) }
	for range 2 {
		go call()
		<-double.asked
	}
	// Of two more, one waits and one is turned away.
	go call()
	go call()
	turnedAway := <-answers
	if turnedAway.Code != http.StatusServiceUnavailable || turnedAway.Header().Get("Retry-After") != "1" || turnedAway.Header().Get("Connection") != "close" {
		t.Errorf("turned away with %d, %v", turnedAway.Code, turnedAway.Header())
	}
	select {
	case <-double.asked:
		t.Error("three calls run")
	default:
	}
	close(double.finish)
	for range 3 {
		if answer := <-answers; answer.Code != http.StatusOK {
			t.Errorf("a call that had room is answered with %d", answer.Code)
		}
	}
}

func TestWhoHasWaitedEnoughIsTurnedAway(t *testing.T) {
	double := newBlocking()
	handler := Review(small(Limits{Running: 1, Waiting: 1, Patience: time.Millisecond}), double)
	body := review(t, 10)
	go send(handler, body)
	<-double.asked
	defer close(double.finish)
	if answer := send(handler, body); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("answered with %d", answer.Code)
	}
}

// TestEachServerHasItsOwnLimits: two servers with different limits refuse different bodies, whether the length of a body is
// known before or not.
func TestEachServerHasItsOwnLimits(t *testing.T) {
	body := review(t, 20_000)
	for _, test := range []struct {
		bytes int64
		want  int
	}{{int64(len(body)) - 1, http.StatusRequestEntityTooLarge}, {int64(len(body)), http.StatusOK}} {
		limits := small(Limits{Running: 1, Waiting: 1, Patience: time.Minute})
		limits.BodyBytes = test.bytes
		handler := Review(limits, admission.HandlerFunc(func(context.Context, admission.Request) admission.Response { return admission.Allowed("") }))
		for _, known := range []bool{true, false} {
			request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			if !known {
				request.ContentLength = -1
			}
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, request)
			if recorder.Code != test.want {
				t.Errorf("%d bytes of %d, length known %t: %d %s", len(body), test.bytes, known, recorder.Code, recorder.Body)
			}
			if used := limits.InFlight.used.Load(); used != 0 {
				t.Errorf("after the call %d bytes are still counted", used)
			}
		}
	}
}

// TestSlowCallersHoldNoPlace: with one place only, callers that stop in the middle of their body don't keep others out, and
// are cut off when their time is over. A call whose body took its time isn't cut off while it is answered.
func TestSlowCallersHoldNoPlace(t *testing.T) {
	limits := small(Limits{Running: 1, Waiting: 1, Patience: time.Millisecond})
	limits.BodyTime = 300 * time.Millisecond
	server := httptest.NewServer(Review(limits, admission.HandlerFunc(func(ctx context.Context, _ admission.Request) admission.Response {
		select {
		case <-ctx.Done():
			return admission.Errored(http.StatusInternalServerError, ctx.Err())
		case <-time.After(2 * limits.BodyTime):
			return admission.Allowed("")
		}
	})))
	defer server.Close()
	var stalled []net.Conn
	for range 20 {
		connection, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		fmt.Fprint(connection, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900000\r\n\r\n{")
		stalled = append(stalled, connection)
	}
	response, err := http.Post(server.URL, "application/json", bytes.NewReader(review(t, 10)))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(answer), `"allowed":true`) {
		t.Errorf("beside stalled callers: %s %s %v", response.Status, answer, err)
	}
	for _, connection := range stalled {
		if err := connection.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(connection); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 400") {
			t.Errorf("a stalled caller gets %q, %v", text, err)
		}
	}
}

// TestAnAnnouncedLengthTakesNoMemory: what counts is what has arrived.
func TestAnAnnouncedLengthTakesNoMemory(t *testing.T) {
	limits := small(Limits{})
	reader, writer := io.Pipe()
	request := httptest.NewRequest(http.MethodPost, "/", reader)
	request.ContentLength = 900_000
	done := make(chan error, 1)
	go func() {
		_, _, err := limits.readBody(httptest.NewRecorder(), request)
		done <- err
	}()
	if _, err := writer.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
	if used := limits.InFlight.used.Load(); used != 0 {
		t.Errorf("for one byte of 900,000 announced ones %d are counted", used)
	}
	writer.CloseWithError(errors.New("gone"))
	if err := <-done; err == nil {
		t.Error("a body that breaks off is taken for a whole one")
	}
}

// TestLargeBodiesLeaveRoomForOrdinaryOnes: bodies that arrive together never take more than the budget, large ones no more
// than half of it, and what most pods need isn't counted at all.
func TestLargeBodiesLeaveRoomForOrdinaryOnes(t *testing.T) {
	limits := small(Limits{})
	read := func(size int) (func(), error) {
		request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(make([]byte, size)))
		_, release, err := limits.readBody(httptest.NewRecorder(), request)
		return release, err
	}
	var releases []func()
	keep := func(size int) (refused bool) {
		release, err := read(size)
		if err != nil && !errors.Is(err, errNoRoom) {
			t.Fatal(err)
		}
		if err == nil {
			releases = append(releases, release)
		}
		return err != nil
	}
	if keep(400_000) || !keep(400_000) {
		t.Errorf("of two large bodies, which are more than half of the budget, %d are held", len(releases))
	}
	middle := 0
	for !keep(100_000) {
		if middle++; middle > 10 {
			t.Fatal("more is held than the budget allows")
		}
	}
	if middle == 0 {
		t.Error("a large body keeps one of 100,000 bytes out")
	}
	for range 100 {
		if keep(ordinaryBody - 1) {
			t.Fatal("an ordinary body is kept out")
		}
	}
	for _, release := range releases {
		release()
	}
	if used := limits.InFlight.used.Load(); used != 0 {
		t.Errorf("%d bytes are still counted", used)
	}
}

// TestTheBudgetFollowsTheMemoryLimit of the process.
func TestTheBudgetFollowsTheMemoryLimit(t *testing.T) {
	before := debug.SetMemoryLimit(480 << 20)
	defer debug.SetMemoryLimit(before)
	if got := BudgetOfProcess().limit; got != 30<<20 {
		t.Errorf("with a limit of 480 MiB the budget is %d bytes", got)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if got := BudgetOfProcess().limit; got != defaultBudget {
		t.Errorf("without a limit the budget is %d bytes", got)
	}
}
