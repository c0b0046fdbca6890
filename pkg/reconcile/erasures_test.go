package reconcile

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestAConditionIsGivenUpWhenItIsErasedAgain: and tried again after a while, when whoever erased it may have gone.
func TestAConditionIsGivenUpWhenItIsErasedAgain(t *testing.T) {
	var e erasures
	key, other, now := types.NamespacedName{Name: "one"}, types.NamespacedName{Name: "other"}, time.Now()
	present := []datav1alpha1.DatasetCondition{{Type: reference.ConditionReferenceReady}}
	for i, step := range []struct {
		key        types.NamespacedName
		conditions []datav1alpha1.DatasetCondition
		after      time.Duration
		up, goOn   bool
	}{
		{key, nil, 0, false, false},                    // the status is new
		{key, present, time.Second, false, false},      // another message
		{key, nil, 2 * time.Second, false, false},      // somebody has edited it
		{other, nil, 2 * time.Second, false, false},    // another reference
		{key, nil, 3 * time.Second, true, true},        // somebody goes on erasing it
		{other, present, 3 * time.Second, false, true}, // which concerns all references
		{key, nil, 4 * time.Second, true, true},
		{key, nil, 4*time.Second + eraserDelay, false, false},
		{key, nil, 5*time.Second + eraserDelay, false, false},
		{key, nil, 6*time.Second + eraserDelay, true, true},
	} {
		at := now.Add(step.after)
		up := e.giveUp(step.key, step.conditions, at)
		if !up {
			e.put(step.key, step.conditions, at)
		}
		if goOn := e.goOn(at); up != step.up || goOn != step.goOn {
			t.Errorf("step %d: given up is %t", i, up)
		}
	}
	e.forget(key)
	e.forget(other)
	if e.puts.Len() != 0 {
		t.Error("it doesn't forget")
	}
}
