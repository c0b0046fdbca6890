package reconcile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// call is one request to the API server that isn't an informer's: a write, or the read of one object.
type call struct {
	method string
	path   string
	body   []byte
}

func (c call) String() string { return c.method + " " + c.path }

// isWrite tells writes from reads; events aren't part of what is kept true.
func (c call) isWrite() bool {
	return c.method != http.MethodGet && !strings.Contains(c.path, "/events")
}

// fault is what becomes of a call.
type fault string

const (
	none       fault = ""
	conflict   fault = "a conflict"
	refusal    fault = "status 500"
	answerLost fault = "a time-out after it was done"
	dead       fault = "no connection"
)

// wire is a manager's connection to the API server: it records calls and can break them.
type wire struct {
	// user is whose rights the manager has; empty for an administrator's.
	user  string
	mutex sync.Mutex
	list  []call
	// fault says what becomes of each call, before it is recorded; nil lets all pass. It is called by one at a time.
	fault func(call) fault
	// conflicts counts the calls that the API server answered with 409; discoveries the reads of what kinds there are.
	conflicts, discoveries atomic.Int64
	// contents are the lists and watches that ask for ConfigMaps or Secrets with their contents.
	contents []string
}

// config returns the configuration of a client over the wire.
func (w *wire) config() *rest.Config {
	config := rest.CopyConfig(livetest.Config())
	config.QPS, config.Burst = -1, -1
	if w.user != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: w.user, Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) { return w.roundTrip(next, request) })
	})
	return config
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

func (w *wire) roundTrip(next http.RoundTripper, request *http.Request) (*http.Response, error) {
	if !isCall(request) {
		if request.URL.RawQuery == "" {
			w.discoveries.Add(1)
		}
		w.noteContents(request)
		return next.RoundTrip(request)
	}
	made := call{method: request.Method, path: request.URL.Path}
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return nil, err
		}
		made.body, request.Body = body, io.NopCloser(bytes.NewReader(body))
	}
	switch w.record(made) {
	case conflict:
		return statusResponse(request, http.StatusConflict, "Conflict"), nil
	case refusal:
		return statusResponse(request, http.StatusInternalServerError, "InternalError"), nil
	case dead:
		return nil, errors.New("the process is dead")
	case answerLost:
		response, err := next.RoundTrip(request)
		if err == nil {
			err = errors.Join(response.Body.Close(), errors.New("the answer didn't come in time"))
		}
		return nil, err
	}
	response, err := next.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusConflict {
		w.conflicts.Add(1)
	}
	return response, err
}

func (w *wire) noteContents(request *http.Request) {
	kind := path.Base(request.URL.Path)
	if (kind == "configmaps" || kind == "secrets") && !strings.Contains(request.Header.Get("Accept"), "as=PartialObjectMetadata") {
		w.mutex.Lock()
		defer w.mutex.Unlock()
		w.contents = append(w.contents, request.URL.String())
	}
}

// isCall leaves out informers, which list and watch with parameters, and discovery, which reads /api and /apis/<group>.
func isCall(request *http.Request) bool {
	return request.Method != http.MethodGet || (request.URL.RawQuery == "" && strings.Count(request.URL.Path, "/") > 3)
}

func statusResponse(request *http.Request, code int, reason string) *http.Response {
	body := fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"code":%d,"message":"made by the test"}`, reason, code)
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: request}
}

func (w *wire) record(made call) fault {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	becomes := none
	if w.fault != nil {
		becomes = w.fault(made)
	}
	w.list = append(w.list, made)
	return becomes
}

// calls returns the calls that a filter accepts.
func (w *wire) calls(accept func(call) bool) []call {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	var accepted []call
	for _, c := range w.list {
		if accept(c) {
			accepted = append(accepted, c)
		}
	}
	return accepted
}

// startReferencesOn runs the reconcilers of references as the controller does, over a wire. The returned function ends
// them before the test does.
func startReferencesOn(t *testing.T, w *wire, logger logr.Logger, names reference.MirrorNames) (stop func()) {
	t.Helper()
	livetest.NeedCluster(t)
	_, stop = livetest.StartManagerOn(t, w.config(), logger, func(manager ctrl.Manager) error {
		if err := AddIndexes(t.Context(), manager); err != nil {
			return err
		}
		c := client.WithFieldOwner(manager.GetClient(), reference.FieldManager)
		references := &ReferenceReconciler{Client: c, Live: manager.GetAPIReader(), Recorder: manager.GetEventRecorder(reference.FieldManager),
			MirrorNames: names, Now: time.Now}
		if err := references.SetupWithManager(manager); err != nil {
			return err
		}
		return (&DatasetRefReconciler{Client: c}).SetupWithManager(manager)
	})
	return stop
}

// settle waits until the reconcilers have made no call for a while.
func (w *wire) settle(t *testing.T) {
	t.Helper()
	seen, since := -1, time.Now()
	livetest.Eventually(t, "quiet on the wire", func() string {
		if count := len(w.calls(anything)); count != seen {
			seen, since = count, time.Now()
		}
		if time.Since(since) < 400*time.Millisecond {
			return fmt.Sprintf("%d calls so far", seen)
		}
		return ""
	})
}

// anything is the filter of calls that accepts all.
func anything(call) bool { return true }
