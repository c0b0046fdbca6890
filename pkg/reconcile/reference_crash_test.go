package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// specimen is a reference with a physical Dataset of its own, which no other test touches.
type specimen struct {
	ref *datav1alpha1.Dataset
	// namespace is the reference's, physical that of its physical Dataset.
	namespace, physical string
}

// newSpecimen creates a physical Dataset, and makes its reference without creating it.
func newSpecimen(t *testing.T) *specimen {
	t.Helper()
	s := &specimen{namespace: livetest.NewNamespace(t), physical: newPhysicalOf(t, "juicefs")}
	s.ref = &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "refdemo"}}
	s.ref.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://" + s.physical + "/phy"}}
	return s
}

// has reports whether a call is about the reference, its objects, or the physical Dataset. It is asked while the test reads
// the reference anew.
func (s *specimen) has(c call) bool {
	about := strings.Contains(c.path, s.namespace) || strings.Contains(c.path, s.physical) ||
		(strings.HasSuffix(c.path, "/persistentvolumes") && bytes.Contains(c.body, []byte(s.namespace+"-refdemo")))
	return about && !strings.Contains(c.path, "/events")
}

func (s *specimen) writes(c call) bool { return s.has(c) && c.isWrite() }

// life is how a reference is created, changed and deleted where nothing goes wrong.
type life struct {
	// creates, changes and deletes are how many writes each takes.
	creates, changes, deletes int
	// created and changed are what is there after the first two.
	created, changed string
}

// undisturbedLife lets one reference live.
func undisturbedLife(t *testing.T) (l life) {
	t.Helper()
	s := newSpecimen(t)
	w := &wire{}
	stop := startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	defer stop()
	livetest.Create(t, s.ref)
	awaitBound(t, s.ref)
	w.settle(t)
	s.awaitClaim(t)
	l.created, l.creates = s.portrait(t), len(w.calls(s.writes))
	s.change(t)
	s.awaitChanged(t)
	w.settle(t)
	l.changed, l.changes = s.portrait(t), len(w.calls(s.writes))-l.creates
	livetest.Remove(t, s.ref)
	s.eventuallyGone(t)
	w.settle(t)
	l.deletes = len(w.calls(s.writes)) - l.creates - l.changes
	if l.creates < 9 || l.changes < 3 || l.deletes < 5 || l.created == l.changed {
		t.Fatalf("an undisturbed life takes %d, %d and %d writes: %s", l.creates, l.changes, l.deletes, w.calls(s.writes))
	}
	return l
}

// change changes everything that a reference follows: its sources and the physical's status.
func (s *specimen) change(t *testing.T) {
	t.Helper()
	merge := func(object client.Object, patch string, write func(context.Context, client.Object, client.Patch) error) {
		t.Helper()
		if err := write(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	patch := func(ctx context.Context, object client.Object, patch client.Patch) error {
		return livetest.Client().Patch(ctx, object, patch)
	}
	there := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: s.physical, Name: name} }
	merge(&corev1.ConfigMap{ObjectMeta: there("phy-fuse-script")}, `{"data":{"key":"changed"}}`, patch)
	merge(&corev1.Secret{ObjectMeta: there("jfs-secret")}, `{"data":{"access-key":"Y2hhbmdlZA=="}}`, patch)
	merge(&datav1alpha1.Dataset{ObjectMeta: there("phy")}, `{"status":{"ufsTotal":"7.00B"}}`, func(ctx context.Context, object client.Object, patch client.Patch) error {
		return livetest.Client().Status().Patch(ctx, object, patch)
	})
}

// awaitChanged waits until a reference has followed.
func (s *specimen) awaitChanged(t *testing.T) {
	t.Helper()
	livetest.Eventually(t, "the change", func() string {
		secrets := mirroredSecrets(t, s.ref)
		if livetest.Refresh(t, s.ref); s.ref.Status.UfsTotal != "7.00B" || len(secrets) != 1 || len(mirrors(t, s.ref)) != 1 || mirrors(t, s.ref)[0].Data["key"] != "changed" {
			return fmt.Sprintf("the status is %+v, the Secrets are %v", s.ref.Status, secrets)
		}
		secret := livetest.Refresh(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.ref.Namespace, Name: secrets[0]}})
		if string(secret.Data["access-key"]) != "changed" {
			return "the mirrored Secret is as it was"
		}
		return ""
	})
}

// TestCrashAfterEachWriteIsHealed lets the process die after each single write that creating, changing and deleting a
// reference takes. The next process makes of it what an undisturbed one would have made.
func TestCrashAfterEachWriteIsHealed(t *testing.T) {
	undisturbed := undisturbedLife(t)
	var specimens []*specimen
	for n := range max(undisturbed.creates, undisturbed.changes, undisturbed.deletes) {
		s := newSpecimen(t)
		specimens = append(specimens, s)
		t.Run(fmt.Sprintf("create %d", n), func(t *testing.T) {
			s.crash(t, n, func() { livetest.Create(t, s.ref) })
		})
	}
	completed := func(t *testing.T, want string) {
		t.Helper()
		w := &wire{}
		startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
		for _, s := range specimens {
			awaitBound(t, s.ref)
		}
		w.settle(t)
		for _, s := range specimens {
			s.awaitPortrait(t, want)
		}
	}
	t.Run("the next process completes them", func(t *testing.T) { completed(t, undisturbed.created) })
	for n, s := range specimens {
		t.Run(fmt.Sprintf("change %d", n), func(t *testing.T) {
			s.crash(t, min(n, undisturbed.changes), func() { s.change(t) })
		})
	}
	t.Run("the next process follows", func(t *testing.T) { completed(t, undisturbed.changed) })
	specimens = specimens[:undisturbed.deletes]
	for n, s := range specimens {
		t.Run(fmt.Sprintf("delete %d", n), func(t *testing.T) {
			s.crash(t, n, func() { livetest.Remove(t, s.ref) })
		})
	}
	t.Run("the next process clears away", func(t *testing.T) {
		startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
		for _, s := range specimens {
			s.eventuallyGone(t)
		}
	})
}

// crash starts a process that has no connection any more after n writes, and ends it then.
func (s *specimen) crash(t *testing.T, n int, trigger func()) {
	t.Helper()
	done := 0
	w := &wire{}
	w.fault = func(c call) fault {
		if done == n && s.writes(c) {
			done = n + 1
		}
		if done > n {
			return dead
		}
		if s.writes(c) {
			done++
		}
		return none
	}
	stop := startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	trigger()
	seen, since := 0, time.Now()
	livetest.Eventually(t, "the crash", func() string {
		writes := w.calls(s.writes)
		if len(writes) != seen {
			seen, since = len(writes), time.Now()
		}
		// Not all lives take equally many writes: one that has made all of its own crashes after the last.
		if len(writes) <= n && time.Since(since) < 2*time.Second {
			return fmt.Sprintf("the writes so far are %s", writes)
		}
		return ""
	})
	stop()
}

// TestEachFailingCallIsRepeated makes each call of a reference's life fail with a conflict, an error and a
// time-out. All references live at the same time, each with a physical Dataset of its own.
func TestEachFailingCallIsRepeated(t *testing.T) {
	undisturbed := newSpecimen(t)
	w := &wire{}
	stop := startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	livetest.Create(t, undisturbed.ref)
	awaitBound(t, undisturbed.ref)
	w.settle(t)
	undisturbed.awaitClaim(t)
	undisturbed.change(t)
	undisturbed.awaitChanged(t)
	w.settle(t)
	want := undisturbed.portrait(t)
	livetest.Remove(t, undisturbed.ref)
	undisturbed.eventuallyGone(t)
	w.settle(t)
	stop()

	var disturbed []*disturbance
	nth := map[string]int{}
	for _, c := range w.calls(undisturbed.has) {
		name := undisturbed.anonymous(c.String())
		if nth[name]++; c.isWrite() || nth[name] == 1 { // some lives read once more
			disturbed = append(disturbed, &disturbance{specimen: newSpecimen(t), call: name, nth: nth[name]})
		}
	}
	w = &wire{fault: func(c call) fault {
		for _, d := range disturbed {
			if d.has(c) {
				return d.becomes(c)
			}
		}
		return none
	}}
	startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	for _, d := range disturbed {
		livetest.Create(t, d.ref)
	}
	for _, d := range disturbed {
		awaitBound(t, d.ref)
	}
	w.settle(t)
	for _, d := range disturbed {
		d.awaitClaim(t)
		d.change(t)
	}
	w.settle(t)
	for _, d := range disturbed {
		d.awaitPortrait(t, want)
		livetest.Remove(t, d.ref)
	}
	for _, d := range disturbed {
		d.eventuallyGone(t)
	}
	for _, d := range disturbed {
		// A life whose cache was behind makes a call twice; the others don't.
		if d.faults < len(faults()) && d.nth == 1 {
			t.Errorf("%s was made to fail %d times only", d.call, d.faults)
		}
	}
	if len(disturbed) < 15 {
		t.Errorf("only %d calls were made to fail", len(disturbed))
	}
}

// disturbance is one call of a specimen that fails in each way, one after the other.
type disturbance struct {
	*specimen
	call      string
	nth, seen int
	faults    int
}

func (d *disturbance) becomes(c call) fault {
	if d.anonymous(c.String()) != d.call {
		return none
	}
	if d.seen++; d.seen < d.nth || d.faults == len(faults()) {
		return none
	}
	d.faults++
	return faults()[d.faults-1]
}

// faults are what each call meets in turn.
func faults() []fault { return []fault{conflict, refusal, answerLost} }

var (
	uids   = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(/[0-9]+)?`)
	times  = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z`)
	hashes = regexp.MustCompile(`-[0-9a-f]{10}\b`)
)

// anonymous replaces what differs between equal specimens.
func (s *specimen) anonymous(text string) string {
	text = strings.NewReplacer(s.namespace, "REF", s.physical, "PHYSICAL").Replace(text)
	text = uids.ReplaceAllString(text, "UID")
	return hashes.ReplaceAllString(times.ReplaceAllString(text, "TIME"), "-HASH")
}

// portrait returns all that is there for a reference, as text that is equal for equal references.
func (s *specimen) portrait(t *testing.T) string {
	t.Helper()
	var lines []string
	add := func(object *unstructured.Unstructured) {
		for _, field := range []string{"managedFields", "resourceVersion", "generation", "creationTimestamp"} {
			unstructured.RemoveNestedField(object.Object, "metadata", field)
		}
		unstructured.RemoveNestedField(object.Object, "spec", "claimRef", "resourceVersion")
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, s.anonymous(string(text)))
	}
	for _, object := range objectsIn(t, s.ref.Namespace) {
		if object.GetName() != "kube-root-ca.crt" {
			add(object)
		}
	}
	add(livetest.Refresh(t, newUnstructured("v1", "PersistentVolume", "", s.ref.Namespace+"-refdemo")))
	add(livetest.Refresh(t, newUnstructured("data.fluid.io/v1alpha1", "Dataset", s.physical, "phy")))
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// awaitPortrait waits until all is there for a reference that there should be, and Kubernetes has bound the claim.
func (s *specimen) awaitPortrait(t *testing.T, want string) {
	t.Helper()
	livetest.Eventually(t, "the same as without disturbance", func() string {
		if got := s.portrait(t); got != want {
			return fmt.Sprintf("there is\n%s\ninstead of\n%s", got, want)
		}
		return ""
	})
}

// awaitClaim waits until Kubernetes has bound the reference's claim.
func (s *specimen) awaitClaim(t *testing.T) {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: s.ref.Namespace, Name: s.ref.Name}}
	livetest.Eventually(t, "a bound claim", func() string {
		if livetest.Refresh(t, claim); claim.Status.Phase != corev1.ClaimBound || len(claim.Status.Conditions) == 0 {
			return fmt.Sprintf("its status is %+v", claim.Status)
		}
		return ""
	})
}

// eventuallyGone waits until nothing of a reference is left, nor does the physical Dataset know it.
func (s *specimen) eventuallyGone(t *testing.T) {
	t.Helper()
	same := metav1.ObjectMeta{Namespace: s.ref.Namespace, Name: s.ref.Name}
	livetest.EventuallyGone(t, s.ref, &datav1alpha1.ThinRuntime{ObjectMeta: same}, &corev1.PersistentVolumeClaim{ObjectMeta: same},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: s.ref.Namespace + "-refdemo"}})
	physical := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: s.physical, Name: "phy"}}
	livetest.Eventually(t, "no mirror and no reference", func() string {
		if livetest.Refresh(t, physical); len(physical.Status.DatasetRef) > 0 {
			return fmt.Sprintf("the physical knows %q", physical.Status.DatasetRef)
		}
		for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}} {
			if err := livetest.Client().List(t.Context(), list, client.InNamespace(s.ref.Namespace), client.HasLabels{reference.LabelReferenceUID}); err != nil {
				t.Fatal(err)
			}
			if n := meta.LenList(list); n > 0 {
				return fmt.Sprintf("there are %d in a %T", n, list)
			}
		}
		return ""
	})
}
