package reconcile

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// TestOlderStatesThanTheLastWrittenAreLeftOut: until the cache has caught up, and only then; 99 is older than 100.
func TestOlderStatesThanTheLastWrittenAreLeftOut(t *testing.T) {
	key := types.NamespacedName{Namespace: "ref", Name: "refdemo"}
	w := &written{}
	if w.isBehind(key, "99") {
		t.Error("something is behind nothing")
	}
	w.note(key, "99", "99") // nothing was written
	if w.isBehind(key, "98") {
		t.Error("reading counts as writing")
	}
	w.note(key, "99", "100")
	if !w.isBehind(key, "99") || w.isBehind(key, "100") || w.versions.Len() > 0 {
		t.Errorf("after writing 100 it remembers %d", w.versions.Len())
	}
	w.note(key, "100", "101")
	if w.isBehind(key, "200") || w.isBehind(key, "100") {
		t.Error("it doesn't forget what somebody else wrote over")
	}
	w.note(key, "200", "not a number")
	w.note(key, "200", "201")
	w.forget(key)
	if w.versions.Len() > 0 {
		t.Errorf("it remembers %d", w.versions.Len())
	}
}
