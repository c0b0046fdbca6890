package webhook

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	sigsjson "sigs.k8s.io/json"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/jsonscan"
)

// Review serves AdmissionReviews of version v1, the only one that the webhook configurations name, with a handler. It
// does what controller-runtime's admission.Webhook does at a fraction of the cost: the type of the body is known, and the
// objects in it, which a handler reads itself, are passed over.
func Review(handler admission.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		review, status, err := readReview(request)
		if err != nil {
			// The API server takes anything but an AdmissionReview as a failed call: the failurePolicy decides.
			log.FromContext(request.Context()).Info("Refused a call", "reason", err.Error())
			http.Error(w, err.Error(), status)
			return
		}
		response := handle(request.Context(), handler, admission.Request{AdmissionRequest: *review.Request})
		response.UID = review.Request.UID
		body, err := encodeAnswer(review.TypeMeta, response.AdmissionResponse)
		if err != nil {
			http.Error(w, fmt.Sprintf("encoding the answer: %v", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		// If the client has gone, nobody is there to be told.
		_, _ = w.Write(body)
	})
}

// readReview reads an AdmissionReview; the status says what is wrong with what isn't one.
func readReview(request *http.Request) (*admissionv1.AdmissionReview, int, error) {
	if request.Method != http.MethodPost {
		return nil, http.StatusMethodNotAllowed, fmt.Errorf("the method is %s, not POST", request.Method)
	}
	if kind, _, err := mime.ParseMediaType(request.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("the body is %q, not application/json", request.Header.Get("Content-Type"))
	}
	body, err := readBody(request)
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", tooLarge.Limit)
		}
		return nil, http.StatusBadRequest, fmt.Errorf("reading the body: %w", err)
	}
	review, err := decodeReview(body)
	if err != nil {
		return nil, http.StatusBadRequest, fmt.Errorf("reading the AdmissionReview: %w", err)
	}
	if review.APIVersion != admissionv1.SchemeGroupVersion.String() || review.Kind != "AdmissionReview" || review.Request == nil {
		return nil, http.StatusBadRequest, fmt.Errorf("the body is a %s %s, not a request of an AdmissionReview %s",
			review.APIVersion, review.Kind, admissionv1.SchemeGroupVersion)
	}
	return review, 0, nil
}

// span is where something is in a body.
type span struct{ start, end int }

// of returns what is in a span as a RawExtension has it: nothing if it is null or the span empty.
func (s span) of(body []byte) []byte {
	raw := body[s.start:s.end]
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}

// decodeReview reads an AdmissionReview: its objects as they are, and the rest, which is short, as the API server's reader
// does. The objects are parts of the body.
func decodeReview(body []byte) (*admissionv1.AdmissionReview, error) {
	var object, old span
	s := jsonscan.New(string(body))
	pass := func(to *span) {
		s.Next()
		to.start = s.At()
		s.Skip()
		to.end = s.At()
	}
	err := s.Document(func() {
		s.Object(func(field string) bool {
			if field != "request" {
				return false
			}
			s.Object(func(field string) bool {
				switch field {
				case "object":
					pass(&object)
				case "oldObject":
					pass(&old)
				default:
					return false
				}
				return true
			})
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	review := &admissionv1.AdmissionReview{}
	if err := sigsjson.UnmarshalCaseSensitivePreserveInts(without(body, object, old), review); err != nil {
		return nil, err
	}
	if review.Request != nil {
		review.Request.Object.Raw, review.Request.OldObject.Raw = object.of(body), old.of(body)
	}
	return review, nil
}

// without returns a body with null in the places of two of its values. Empty spans are of values that aren't there.
func without(body []byte, a, b span) []byte {
	if a.start > b.start {
		a, b = b, a
	}
	rest := make([]byte, 0, len(body)-(a.end-a.start)-(b.end-b.start)+2*len("null"))
	at := 0
	for _, cut := range []span{a, b} {
		if cut.end > cut.start {
			rest = append(append(rest, body[at:cut.start]...), "null"...)
			at = cut.end
		}
	}
	return append(rest, body[at:]...)
}

// encodeAnswer returns the AdmissionReview with an answer as JSON. The patch, most of it, is written once only.
func encodeAnswer(kind metav1.TypeMeta, response admissionv1.AdmissionResponse) ([]byte, error) {
	patch := response.Patch
	response.Patch = nil
	body, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: kind, Response: &response})
	if err != nil || len(patch) == 0 {
		return body, err
	}
	const before, end = `,"patch":"`, "}}" // of the response and the review
	answer := make([]byte, 0, len(body)+len(before)+base64.StdEncoding.EncodedLen(len(patch))+1)
	answer = append(append(answer, body[:len(body)-len(end)]...), before...)
	return append(append(base64.StdEncoding.AppendEncode(answer, patch), '"'), end...), nil
}

// readBody reads a body into memory that is right from the start where its length is known.
func readBody(request *http.Request) ([]byte, error) {
	if length := request.ContentLength; length > 0 && length <= DefaultLimits.BodyBytes {
		body := make([]byte, length)
		_, err := io.ReadFull(request.Body, body)
		return body, err
	}
	return io.ReadAll(request.Body)
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
