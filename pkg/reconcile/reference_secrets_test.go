package reconcile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// canaries are values of the mirrored Secret, before and after it changes. They have lengths divisible by three, so
// that their base64 is the same wherever they are encoded.
func canaries() []string {
	return []string{"canary-in-the-coal-mine-one", "canary-in-the-coal-mine-two"}
}

// sings reports whether a text has a canary, plain or encoded.
func sings(text []byte) bool {
	for _, canary := range canaries() {
		encoded := base64.StdEncoding.EncodeToString([]byte(canary))
		if bytes.Contains(text, []byte(canary)) || bytes.Contains(text, []byte(encoded)) {
			return true
		}
	}
	return false
}

// TestSecretValuesAreOnlyWrittenToTheirMirror looks for the values of a mirrored Secret in everything that leaves the
// controller: requests, a log more talkative than its own, events, statuses and metrics, also while calls fail.
func TestSecretValuesAreOnlyWrittenToTheirMirror(t *testing.T) {
	s := newSpecimen(t)
	source := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.physical, Name: "jfs-secret"}}
	setCanary := func(canary string) {
		encoded := base64.StdEncoding.EncodeToString([]byte(canary))
		patch, err := json.Marshal(map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{corev1.LastAppliedConfigAnnotation: `{"data":{"key":"` + encoded + `"}}`}},
			"data":     map[string]any{"access-key": encoded},
		})
		if err == nil {
			err = livetest.Client().Patch(t.Context(), source, client.RawPatch(types.MergePatchType, patch))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	setCanary(canaries()[0])

	var mutex sync.Mutex
	var logged strings.Builder
	logger := funcr.New(func(prefix, args string) {
		mutex.Lock()
		defer mutex.Unlock()
		logged.WriteString(prefix + args + "\n")
	}, funcr.Options{Verbosity: 7}) // at 8, which the controller can't be set to, client-go prints bodies
	failing := map[string]bool{}
	w := &wire{fault: func(c call) fault { // every call to Secrets and statuses fails once
		if !s.has(c) || failing[c.String()] || !(strings.Contains(c.path, "/secrets") || strings.HasSuffix(c.path, "/status")) {
			return none
		}
		failing[c.String()] = true
		return refusal
	}}
	startReferencesOn(t, w, logger, reference.UniqueNames)
	livetest.Create(t, s.ref)
	awaitBound(t, s.ref)
	mirrored := &corev1.SecretList{}
	if err := livetest.Client().List(t.Context(), mirrored, client.InNamespace(s.ref.Namespace)); err != nil || len(mirrored.Items) != 1 {
		t.Fatal("the mirrored Secrets are", len(mirrored.Items), err)
	}
	mirror := &mirrored.Items[0]
	setCanary(canaries()[1])
	livetest.Eventually(t, "the changed Secret", func() string {
		if livetest.Refresh(t, mirror); string(mirror.Data["access-key"]) != canaries()[1] {
			return "the mirror isn't changed"
		}
		return ""
	})
	// A user takes the mirror over, which is a finding.
	takeOver := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"ownerReferences":null,"labels":{"`+reference.LabelReferenceUID+`":null}}}`))
	if err := livetest.Client().Patch(t.Context(), mirror, takeOver); err != nil {
		t.Fatal(err)
	}
	livetest.Eventually(t, "a finding", func() string {
		if livetest.Refresh(t, s.ref); s.ref.Status.Phase == datav1alpha1.BoundPhase {
			return "it is Bound"
		}
		return ""
	})
	w.settle(t)

	sang := 0
	for _, c := range w.calls(anything) {
		switch own := strings.Contains(c.path, s.ref.Namespace+"/secrets"); {
		case own && sings(c.body):
			sang++
		case sings(c.body):
			t.Errorf("%s has the value of the Secret: %s", c, c.body)
		}
	}
	if sang < 2 {
		t.Errorf("the Secret was seen in %d writes of its mirror: the test looks for the wrong thing", sang)
	}
	mutex.Lock()
	defer mutex.Unlock()
	if !strings.Contains(logged.String(), s.ref.Namespace) {
		t.Error("the log doesn't name the reference: the test looks at the wrong log")
	}
	for what, text := range map[string]string{"log": logged.String(), "metrics": gatheredMetrics(t), "rest": s.publicObjects(t), "annotations": annotationsOf(mirror)} {
		if sings([]byte(text)) {
			for line := range strings.Lines(text) {
				if sings([]byte(line)) {
					t.Errorf("the value of the Secret is in the %s: %s", what, line)
				}
			}
		}
	}
}

func annotationsOf(object client.Object) string {
	var text strings.Builder
	for key, value := range object.GetAnnotations() {
		text.WriteString(key + "=" + value + "\n")
	}
	return text.String()
}

// touch makes an event of a reference.
func touch(t *testing.T, ref *datav1alpha1.Dataset) {
	t.Helper()
	livetest.Refresh(t, ref)
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"touched":"`+ref.ResourceVersion+`"}}}`))
	if err := livetest.Client().Patch(t.Context(), ref, patch); err != nil {
		t.Fatal(err)
	}
}

func gatheredMetrics(t *testing.T) string {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		text.WriteString(family.String())
	}
	return text.String()
}

// publicObjects returns the JSON of all that is there for a reference but Secrets, with the events.
func (s *specimen) publicObjects(t *testing.T) string {
	t.Helper()
	events := &eventsv1.EventList{}
	if err := livetest.Client().List(t.Context(), events, client.InNamespace(s.ref.Namespace)); err != nil {
		t.Fatal(err)
	}
	if len(events.Items) == 0 {
		t.Error("there are no events to look at")
	}
	public := []any{events}
	for _, namespace := range []string{s.ref.Namespace, s.physical} {
		for _, object := range objectsIn(t, namespace) {
			if object.GetKind() != "Secret" {
				public = append(public, object)
			}
		}
	}
	text, err := json.Marshal(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestHealthyReconcileReadsNothingUncached: a reconcile of a healthy reference makes no request at all, of whatever runtime
// the physical Dataset is, also where Secrets are mirrored that the controller may watch.
func TestHealthyReconcileReadsNothingUncached(t *testing.T) {
	for runtime, kind := range map[string]string{"alluxio": "AlluxioRuntime", "jindo": "JindoRuntime", "juicefs": "JuiceFSRuntime", "thin": ""} {
		t.Run(runtime, func(t *testing.T) {
			physical := newPhysicalOf(t, runtime)
			if kind != "" {
				installRuntimeKind(t, kind)
				newRuntime(t, kind, physical, map[string]any{"fusePhase": "Ready"})
			}
			w := &wire{}
			startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
			ref := newBoundReference(t, physical)
			w.settle(t)
			before, discoveries, looked := len(w.calls(anything)), w.discoveries.Load(), reconciles(t)
			for range 5 {
				touch(t, ref)
				w.settle(t)
			}
			if made := w.calls(anything)[before:]; len(made) > 0 {
				t.Errorf("reconciles make the calls %s", made)
			}
			if made := w.discoveries.Load() - discoveries; made > 0 {
				t.Errorf("reconciles ask %d times what kinds there are", made)
			}
			if made := reconciles(t) - looked; made < 5 {
				t.Errorf("5 events make %d reconciles", made)
			}
			w.mutex.Lock()
			defer w.mutex.Unlock()
			if len(w.contents) > 0 {
				t.Errorf("the caches have the contents of %s", w.contents)
			}
		})
	}
}
