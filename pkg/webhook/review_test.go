package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	sigsjson "sigs.k8s.io/json"
)

// review is what the API server sends for a pod of some size.
func review(t testing.TB, padding int) []byte {
	t.Helper()
	pod := fmt.Sprintf(`{"metadata":{"name":"nginx","annotations":{"padding":%q}},"spec":{"unknown":1}}`, strings.Repeat("x", padding))
	body, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{UID: "u1", Namespace: "ref", Operation: admissionv1.Create, DryRun: new(true),
			Kind:     metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			UserInfo: authenticationv1.UserInfo{Username: "alice", Groups: []string{"a"}, Extra: map[string]authenticationv1.ExtraValue{"k": {"v"}}},
			Object:   runtime.RawExtension{Raw: []byte(pod)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func send(handler http.Handler, body []byte) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

// TestReviewDoesWhatControllerRuntimeDoes: a handler gets the same request, and the API server the same answer.
func TestReviewDoesWhatControllerRuntimeDoes(t *testing.T) {
	answers := map[string]admission.Response{
		"allowed":  admission.Allowed(""),
		"warned":   admission.Allowed("").WithWarnings("careful"),
		"denied":   admission.Denied("no"),
		"error":    admission.Errored(http.StatusBadRequest, fmt.Errorf("what is that")),
		"patch":    admission.Patched("", admission.Response{}.Patches...),
		"raw":      {AdmissionResponse: admissionv1.AdmissionResponse{Allowed: true, Patch: []byte(`[]`), PatchType: new(admissionv1.PatchTypeJSONPatch)}},
		"audited":  {AdmissionResponse: admissionv1.AdmissionResponse{AuditAnnotations: map[string]string{"a": "b"}}},
		"original": admission.PatchResponseFromRaw([]byte(`{}`), []byte(`{"a":1}`)),
	}
	for name, answer := range answers {
		var requests []admission.Request
		handler := admission.HandlerFunc(func(_ context.Context, request admission.Request) admission.Response {
			requests = append(requests, request)
			return answer
		})
		theirs, ours := &admission.Webhook{Handler: handler}, Review(DefaultLimits(NewBudget(1<<20)), handler)
		request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(review(t, 10)))
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		theirs.ServeHTTP(recorder, request)
		own := send(ours, review(t, 10))
		var want, got admissionv1.AdmissionReview
		if err := json.Unmarshal(recorder.Body.Bytes(), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(own.Body.Bytes(), &got); err != nil || own.Code != http.StatusOK {
			t.Fatal(name, own.Code, err)
		}
		if !reflect.DeepEqual(want, got) || got.Response.UID != "u1" {
			t.Errorf("%s: answered with %s, not %s", name, own.Body, recorder.Body)
		}
		if len(requests) != 2 || !reflect.DeepEqual(requests[0].AdmissionRequest, requests[1].AdmissionRequest) {
			t.Errorf("%s: the handler is asked %+v", name, requests)
		}
	}
}

// TestAnswersAreWrittenAsEncodingJSONDoes: a patch alone, which is written without it, and what else there may be beside it.
func TestAnswersAreWrittenAsEncodingJSONDoes(t *testing.T) {
	patch := admissionv1.AdmissionResponse{UID: "<\"u1\">", Allowed: true, Patch: []byte(`[{"op":"add"}]`), PatchType: new(admissionv1.PatchTypeJSONPatch),
		Result: &metav1.Status{Code: http.StatusOK}}
	for name, change := range map[string]func(*admissionv1.AdmissionResponse){
		"only a patch": func(*admissionv1.AdmissionResponse) {},
		"denied":       func(r *admissionv1.AdmissionResponse) { r.Allowed = false },
		"no patch":     func(r *admissionv1.AdmissionResponse) { r.Patch = nil },
		"no type":      func(r *admissionv1.AdmissionResponse) { r.PatchType = nil },
		"another type": func(r *admissionv1.AdmissionResponse) { r.PatchType = new(admissionv1.PatchType("Other")) },
		"no result":    func(r *admissionv1.AdmissionResponse) { r.Result = nil },
		"another result": func(r *admissionv1.AdmissionResponse) {
			r.Result = &metav1.Status{Code: http.StatusOK, Message: "fine"}
		},
		"audit annotation": func(r *admissionv1.AdmissionResponse) { r.AuditAnnotations = map[string]string{"a": "b"} },
		"warning":          func(r *admissionv1.AdmissionResponse) { r.Warnings = []string{"careful"} },
	} {
		response := patch
		change(&response)
		want, err := json.Marshal(admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Response: &response})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := encodeAnswer(&response); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %s, %v, not %s", name, got, err, want)
		}
		if only := onlyPatches(&response); only != (name == "only a patch") {
			t.Errorf("%s: said to be only a patch: %t", name, only)
		}
	}
}

// reviews are texts of AdmissionReviews, and some that aren't.
func reviews(t testing.TB) []string {
	return []string{
		string(review(t, 10)),
		`{"request":{"oldObject":{"a":1},"uid":"u","object":[1, 2] ,"options":{"x":1}},"kind":"K"}`,
		`{"request":{"kind":{"group":"g","version":"v","kind":"k"},"requestKind":{},"requestResource":null,"resource":{"resource":"r"},"subResource":"s"}}`,
		`{"request":{"userInfo":{"username":"u","uid":"i","groups":[],"extra":{"a":["b","c"],"d":null,"e":[]}},"dryRun":false,"operation":"CREATE"}}`,
		`{"request":{"userInfo":{"groups":null,"extra":{}},"dryRun":null,"name":"\u00e9","requestSubResource":"x"}}`,
		`{"request":{"object":{"a":{"object":3}},"oldObject":null}}`, `{"request":{"object": null}}`, `{"request":{"object":""}}`,
		`{"request":{}}`, `{"request":null}`, `{}`, `null`, ` {"kind":"K","Request":{"uid":"u"},"object":{}} `, `{"request":{"oldObject":7}}`,
		``, `{`, `[]`, `{"request":[]}`, `{"request":{"object":{}`, `{"request":{"object":x}}`, `{"request":{"uid":1,"object":{}}}`, `{} {}`,
		`{"request":{"dryRun":"x"}}`, `{"request":{"userInfo":{"groups":[1]}}}`, `{"request":{"kind":[]}}`, `{"request":{"uid":"a","uid":"b"}}`,
	}
}

// compareReaders makes sure that a body is read as the API server's own reader reads it, but for its response, which nobody
// sends, and for fields that are there twice.
func compareReaders(t *testing.T, body []byte) {
	t.Helper()
	want := &admissionv1.AdmissionReview{}
	twice, wantErr := sigsjson.UnmarshalStrict(body, want, sigsjson.DisallowDuplicateFields)
	got, err := decodeReview(body)
	if want.Response != nil || (len(twice) > 0 && err != nil) {
		return
	}
	if (err != nil) != (wantErr != nil) {
		t.Errorf("%s: error %v, the API server has %v", body, err, wantErr)
	} else if err == nil && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v, the API server has %+v", body, got, want)
	}
}

func TestTheReviewIsReadAsTheAPIServerReads(t *testing.T) {
	for _, body := range reviews(t) {
		compareReaders(t, []byte(body))
	}
}

func FuzzTheReviewIsReadAsTheAPIServerReads(f *testing.F) {
	for _, body := range reviews(f) {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !bytes.Contains(body, []byte("response")) {
			compareReaders(t, body)
		}
	})
}

// TestWhatIsNoReviewIsNoAnswer: the API server must see a failed call, not a decision.
func TestWhatIsNoReviewIsNoAnswer(t *testing.T) {
	handler := Review(DefaultLimits(NewBudget(1<<20)), admission.HandlerFunc(func(context.Context, admission.Request) admission.Response {
		t.Error("the handler is asked")
		return admission.Allowed("")
	}))
	for body, want := range map[string]int{
		"":  http.StatusBadRequest,
		"x": http.StatusBadRequest,
		`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`:                     http.StatusBadRequest,
		`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{}}`:   http.StatusBadRequest,
		`{"apiVersion":"v1","kind":"Pod","request":{}}`:                                     http.StatusBadRequest,
		`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":1}}`: http.StatusBadRequest,
	} {
		if answer := send(handler, []byte(body)); answer.Code != want {
			t.Errorf("%q: %d %s", body, answer.Code, answer.Body)
		}
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	if recorder.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", recorder.Code)
	}
	recorder = httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(review(t, 0))))
	if recorder.Code != http.StatusUnsupportedMediaType {
		t.Errorf("without a content type: %d", recorder.Code)
	}
}

// TestABugRefuses: a handler that panics has not allowed anything, and its panic isn't shown.
func TestABugRefuses(t *testing.T) {
	answer := send(Review(DefaultLimits(NewBudget(1<<20)), admission.HandlerFunc(func(context.Context, admission.Request) admission.Response { panic("secret") })), review(t, 0))
	var got admissionv1.AdmissionReview
	if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Response.Allowed || got.Response.UID != "u1" || got.Response.Result.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "secret") {
		t.Errorf("answered with %s", answer.Body)
	}
}

// BenchmarkReview compares the serving of an AdmissionReview here with controller-runtime's.
func BenchmarkReview(b *testing.B) {
	handler := admission.HandlerFunc(func(context.Context, admission.Request) admission.Response { return admission.Allowed("") })
	for _, way := range []struct {
		name    string
		handler http.Handler
	}{{"controller-runtime", &admission.Webhook{Handler: handler}}, {"review", Review(DefaultLimits(NewBudget(1<<20)), handler)}} {
		for _, size := range []int{2, 13, 123} {
			body := review(b, size<<10)
			b.Run(fmt.Sprintf("%s/%dKB", way.name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					request := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
					request.Header.Set("Content-Type", "application/json")
					way.handler.ServeHTTP(httptest.NewRecorder(), request)
				}
			})
		}
	}
}
