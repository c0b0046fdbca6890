package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestManyReferencesToOneDatasetDoNotFight: references that are made at once don't contend for the physical Dataset's list
// of them, and the work for each doesn't grow with their number.
func TestManyReferencesToOneDatasetDoNotFight(t *testing.T) {
	const references, mirrorsOfEach = 60, 1
	w := &wire{}
	startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	physical := newPhysicalOf(t, "alluxio")
	namespaces := []string{livetest.NewNamespace(t), livetest.NewNamespace(t), livetest.NewNamespace(t)}
	w.settle(t)
	before := reconciles(t)
	var refs []*datav1alpha1.Dataset
	for i := range references {
		refs = append(refs, newReference(t, namespaces[i%len(namespaces)], fmt.Sprintf("ref-%02d", i), physical))
	}
	for _, ref := range refs {
		awaitBound(t, ref)
	}
	w.settle(t)
	toPhysical := len(w.calls(func(c call) bool { return c.isWrite() && strings.Contains(c.path, physical) }))
	all := len(w.calls(call.isWrite))
	conflicts, looked := int(w.conflicts.Load()), reconciles(t)-before
	t.Logf("%d references: %d writes, %d of them to the physical Dataset; %d conflicts; %d reconciles", references, all, toPhysical, conflicts, looked)
	if toPhysical > references {
		t.Errorf("%d writes to the list of %d references", toPhysical, references)
	}
	if most := references * (7 + mirrorsOfEach); all-conflicts > most {
		t.Errorf("%d writes, %d of them conflicts, want at most %d", all, conflicts, most)
	}
	if conflicts > references {
		t.Errorf("%d conflicts among %d references", conflicts, references)
	}
	// With each looked at whenever another one comes it would be 60 times for each.
	if looked > 20*references {
		t.Errorf("%d references were looked at %d times", references, looked)
	}
	phy := livetest.Refresh(t, &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}})
	if len(phy.Status.DatasetRef) != references {
		t.Errorf("the physical Dataset knows %d references", len(phy.Status.DatasetRef))
	}
}

// TestEventsAreMadeOncePerChange: what blocks a reference is said when it changes, however often the reference is looked at.
func TestEventsAreMadeOncePerChange(t *testing.T) {
	made := startSharing(t, reference.SharingRBAC)
	missing := livetest.NewNamespace(t)
	ref := newReference(t, livetest.NewNamespace(t), "refdemo", missing)
	lookAgain := func() {
		t.Helper()
		for range 3 {
			before := reconciles(t)
			touch(t, ref)
			livetest.Eventually(t, "a reconcile", func() string {
				if reconciles(t) == before {
					return "there is none"
				}
				return ""
			})
		}
	}
	awaitReason(t, ref, "PhysicalDatasetMissing")
	lookAgain()
	livetest.Create(t, dataset(missing, "phy", "https://example.com/"))
	awaitReason(t, ref, "PhysicalDatasetNotBound")
	lookAgain()
	var said []string
	for len(made) > 0 {
		if event := <-made; strings.Contains(event, missing) { // the cluster has other tests' references
			said = append(said, strings.Fields(event)[1])
		}
	}
	if want := []string{"PhysicalDatasetMissing", "PhysicalDatasetNotBound"}; !slices.Equal(said, want) {
		t.Errorf("the events are %q, want %q", said, want)
	}
}

// reconciles returns how many reconciles of references there have been in this process.
func reconciles(t *testing.T) int {
	t.Helper()
	families, err := metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "controller" && label.GetValue() == "reference" {
					sum += int(metric.GetCounter().GetValue())
				}
			}
		}
	}
	return sum
}
