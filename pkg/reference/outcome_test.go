package reference

import (
	"testing"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// TestAnOutcomeLeavesTheWorldAsItWas: what it says is in the next World only, all of it.
func TestAnOutcomeLeavesTheWorldAsItWas(t *testing.T) {
	var outcome Outcome
	world := &World{Outcome: outcome}
	if outcome.Blocks() {
		t.Error("an outcome as planned blocks")
	}
	for _, name := range []string{"a", "b"} {
		outcome.NoteRefused(finding.Object{Kind: "ConfigMap", Name: name}, "quota")
		outcome.NoteStale(finding.Object{Kind: "Secret", Name: name})
	}
	outcome.ThinRuntime = &datav1alpha1.ThinRuntime{}
	next := world.After(outcome)
	if !outcome.Blocks() || len(next.Outcome.Refused) != 2 || len(next.Outcome.Stale) != 2 || next.ThinRuntime != outcome.ThinRuntime {
		t.Errorf("the next world has %+v", next)
	}
	if world.Outcome.Blocks() || world.ThinRuntime != nil {
		t.Errorf("the world before has %+v", world)
	}
}
