package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// Review serves AdmissionReviews of version v1, the only one that the webhook configurations name, with a handler. It
// does what controller-runtime's admission.Webhook does at a fraction of the cost: the type of the body is known, and the
// objects in it, which a handler reads itself, are passed over.
//
// A call takes a place only once its body has been read, so callers that send slowly, or nothing, hold none.
func Review(limits Limits, handler admission.Handler) http.Handler {
	places, refusals := newPlaces(limits), refusalLog()
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		refuse := func(status int, err error) {
			// The API server takes anything but an AdmissionReview as a failed call: the failurePolicy decides.
			refusals.Do(func() { log.FromContext(request.Context()).Info("Refused a call", "reason", err.Error()) })
			http.Error(w, err.Error(), status)
		}
		if status, err := checkHeader(request); err != nil {
			refuse(status, err)
			return
		}
		body, release, err := limits.readBody(w, request)
		switch {
		case errors.Is(err, errNoRoom):
			turnAway(w)
			return
		case errors.Is(err, errBodyTooLarge):
			refuse(http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", limits.BodyBytes))
			return
		case err != nil:
			refuse(http.StatusBadRequest, err)
			return
		}
		defer release()
		leave, entered := places.enter(request)
		if !entered {
			turnAway(w)
			return
		}
		defer leave()
		review, err := readReview(body)
		if err != nil {
			refuse(http.StatusBadRequest, err)
			return
		}
		answer(w, request, handler, review.Request)
	})
}

// refusalLog lets a few refused calls a second be logged: whoever floods the server mustn't flood the log.
func refusalLog() *rate.Sometimes { return &rate.Sometimes{First: 20, Interval: time.Second} }

// answer lets the handler decide and writes what it has decided.
func answer(w http.ResponseWriter, request *http.Request, handler admission.Handler, asked *admissionv1.AdmissionRequest) {
	response := handle(request.Context(), handler, admission.Request{AdmissionRequest: *asked})
	response.UID = asked.UID
	body, err := encodeAnswer(&response.AdmissionResponse)
	if err != nil {
		http.Error(w, fmt.Sprintf("encoding the answer: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	// If the client has gone, nobody is there to be told.
	_, _ = w.Write(body)
}

// checkHeader looks at a call before its body is read; the status says what is wrong with it.
func checkHeader(request *http.Request) (status int, err error) {
	if request.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, fmt.Errorf("the method is %s, not POST", request.Method)
	}
	if kind, _, err := mime.ParseMediaType(request.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return http.StatusUnsupportedMediaType, fmt.Errorf("the body is %q, not application/json", request.Header.Get("Content-Type"))
	}
	return 0, nil
}

// readReview reads an AdmissionReview.
func readReview(body []byte) (*admissionv1.AdmissionReview, error) {
	review, err := decodeReview(body)
	if err != nil {
		return nil, fmt.Errorf("reading the AdmissionReview: %w", err)
	}
	if review.APIVersion != admissionv1.SchemeGroupVersion.String() || review.Kind != "AdmissionReview" || review.Request == nil {
		return nil, fmt.Errorf("the body is a %s %s, not a request of an AdmissionReview %s",
			review.APIVersion, review.Kind, admissionv1.SchemeGroupVersion)
	}
	return review, nil
}

// encodeAnswer returns the AdmissionReview with an answer as encoding/json writes it. One that gives a patch, and says
// nothing else, is written here: it is that of nearly all pods, and the patch most of it.
func encodeAnswer(response *admissionv1.AdmissionResponse) ([]byte, error) {
	if !onlyPatches(response) {
		kind := metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "AdmissionReview"}
		return json.Marshal(admissionv1.AdmissionReview{TypeMeta: kind, Response: response})
	}
	uid, err := json.Marshal(response.UID)
	if err != nil {
		return nil, err
	}
	const before = `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":`
	const between = `,"allowed":true,"status":{"metadata":{},"code":200},"patch":"`
	const after = `","patchType":"JSONPatch"}}`
	answer := make([]byte, 0, len(before)+len(uid)+len(between)+base64.StdEncoding.EncodedLen(len(response.Patch))+len(after))
	answer = append(append(append(answer, before...), uid...), between...)
	return append(base64.StdEncoding.AppendEncode(answer, response.Patch), after...), nil
}

// onlyPatches reports whether an answer has what encodeAnswer writes, and nothing else.
func onlyPatches(response *admissionv1.AdmissionResponse) bool {
	return response.Allowed && len(response.Patch) > 0 && response.PatchType != nil && *response.PatchType == admissionv1.PatchTypeJSONPatch &&
		response.Result != nil && *response.Result == metav1.Status{Code: http.StatusOK} &&
		len(response.AuditAnnotations) == 0 && len(response.Warnings) == 0
}

// handle asks the handler; one that panics has refused.
func handle(ctx context.Context, handler admission.Handler, request admission.Request) (response admission.Response) {
	defer func() {
		reason := recover()
		if reason == nil {
			return
		}
		for _, report := range utilruntime.PanicHandlers {
			report(ctx, reason)
		}
		response = admission.Errored(http.StatusInternalServerError, errors.New("the webhook met a bug; the controller's log has the details"))
	}()
	response = handler.Handle(ctx, request)
	if err := response.Complete(request); err != nil {
		return admission.Errored(http.StatusInternalServerError, fmt.Errorf("encoding the patch: %w", err))
	}
	return response
}
