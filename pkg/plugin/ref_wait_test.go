package plugin

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// writeStatus writes a reference's phase and condition, as the controller does.
func writeStatus(t *testing.T, c client.Client, key types.NamespacedName, phase datav1alpha1.DatasetPhase, reason, message string) {
	t.Helper()
	dataset := &datav1alpha1.Dataset{}
	for c.Get(t.Context(), key, dataset) != nil {
		if t.Context().Err() != nil {
			t.Fatal("the Dataset wasn't created")
		}
		time.Sleep(time.Millisecond)
	}
	before := dataset.DeepCopy()
	status := corev1.ConditionFalse
	if reason == reference.ReasonReady {
		status = corev1.ConditionTrue
	}
	dataset.Status.Phase = phase
	dataset.Status.Conditions = []datav1alpha1.DatasetCondition{{Type: reference.ConditionReferenceReady, Status: status, Reason: reason, Message: message}}
	patch := client.MergeFrom(before)
	err := c.Status().Patch(t.Context(), dataset, patch)
	if err != nil {
		err = c.Patch(t.Context(), dataset, patch) // The cluster in memory has no sub-resource here.
	}
	if err != nil {
		t.Error(err)
	}
}

func TestCreateWaits(t *testing.T) {
	key := types.NamespacedName{Namespace: "ref", Name: "refdemo"}
	for _, test := range []struct {
		name, flags string
		controller  func(t *testing.T, c client.Client, cancel func())
		want        int
		out         string
		err         []string
	}{
		{"bound", "", func(t *testing.T, c client.Client, _ func()) {
			writeStatus(t, c, key, datav1alpha1.NotBoundPhase, "NotRecorded", "KF2011: first")
			time.Sleep(50 * time.Millisecond)
			writeStatus(t, c, key, datav1alpha1.NotBoundPhase, "PhysicalDatasetNotBound", "KF2002: second\x1b[31m")
			time.Sleep(50 * time.Millisecond)
			writeStatus(t, c, key, datav1alpha1.BoundPhase, reference.ReasonReady, "fine")
		}, ExitOK, "Dataset ref/refdemo is Bound\n", []string{"Waiting: KF2011: first\nWaiting: KF2002: second\\x1b[31m\n"}},
		{"hopeless", " --timeout 1m", func(t *testing.T, c client.Client, _ func()) {
			writeStatus(t, c, key, datav1alpha1.NotBoundPhase, "MirrorNameTaken", "KF3004: taken")
		}, ExitFindings, "", []string{"error: Dataset ref/refdemo won't become Bound: KF3004: taken\n"}},
		{"silence", " --timeout 100ms", func(*testing.T, client.Client, func()) {}, ExitTimeout, "",
			[]string{"error: timed out after 100ms waiting for Dataset ref/refdemo", "is a controller for references running?"}},
		{"timeout", " --timeout 2s", func(t *testing.T, c client.Client, _ func()) {
			writeStatus(t, c, key, datav1alpha1.NotBoundPhase, "PhysicalDatasetNotBound", "KF2002: not yet")
		}, ExitTimeout, "", []string{"Waiting: KF2002: not yet\n", "to be Bound: KF2002: not yet; it exists"}},
		{"deleted", "", func(t *testing.T, c client.Client, _ func()) {
			writeStatus(t, c, key, datav1alpha1.NotBoundPhase, "NotRecorded", "KF2011: wait")
			if err := c.Delete(t.Context(), &datav1alpha1.Dataset{ObjectMeta: objectMeta(key)}); err != nil {
				t.Error(err)
			}
		}, ExitFailed, "", []string{"was deleted while waiting"}},
		{"interrupted", "", func(t *testing.T, c client.Client, cancel func()) {
			writeStatus(t, c, key, datav1alpha1.NotBoundPhase, "NotRecorded", "KF2011: wait")
			time.Sleep(50 * time.Millisecond)
			cancel()
		}, ExitInterrupted, "", []string{"error: interrupted\n"}},
		{"name", " -o name", func(t *testing.T, c client.Client, _ func()) {
			writeStatus(t, c, key, datav1alpha1.BoundPhase, reference.ReasonReady, "fine")
		}, ExitOK, "dataset.data.fluid.io/refdemo\n", []string{"Dataset ref/refdemo is Bound\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The cluster in memory doesn't replay what happened between a list and a watch.
			watching := make(chan struct{})
			c := fakeClientWith(t, interceptor.Funcs{
				Watch: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
					defer close(watching)
					return c.Watch(ctx, list, options...)
				},
			}, "alluxio.yaml")
			ctx, cancel := context.WithCancel(t.Context())
			wait := meanwhile(func() {
				select {
				case <-watching:
					test.controller(t, c, cancel)
				case <-ctx.Done():
				}
			})
			defer wait()
			defer cancel()
			r := run(ctx, connectTo(c), "ref create refdemo -n ref --from default/phy --mirror-names=unique --wait"+test.flags)
			if r.code != test.want || !strings.HasSuffix(r.out, test.out) {
				t.Error(r.text())
			}
			for _, want := range test.err {
				if !strings.Contains(r.err, want) {
					t.Errorf("stderr lacks %q:\n%s", want, r.err)
				}
			}
		})
	}
}
