package memory

import (
	"sync"
	"testing"
)

// TestEachKeyHasItsLastValueUntilItIsForgotten: whichever method wrote it.
func TestEachKeyHasItsLastValueUntilItIsForgotten(t *testing.T) {
	var m Of[string, int]
	want := func(key string, value int, known bool) {
		t.Helper()
		if got, ok := m.Get(key); got != value || ok != known {
			t.Errorf("%s has %d, %t, want %d, %t", key, got, ok, value, known)
		}
	}
	want("a", 0, false)
	m.Forget("a")
	m.Put("a", 1)
	m.Put("b", 2)
	want("a", 1, true)
	m.Update("a", func(value int, known bool) (int, bool) {
		if value != 1 || !known {
			t.Errorf("Update was given %d, %t", value, known)
		}
		return 3, true
	})
	want("a", 3, true)
	want("b", 2, true)
	m.Update("a", func(int, bool) (int, bool) { return 4, false })
	want("a", 0, false)
	m.Forget("b")
	if m.Len() != 0 {
		t.Errorf("%d keys are left", m.Len())
	}
}

// TestUpdatesAreCounted: none is lost when many write at once.
func TestUpdatesAreCounted(t *testing.T) {
	var m Of[int, int]
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() { m.Update(0, func(n int, _ bool) (int, bool) { return n + 1, true }) })
	}
	group.Wait()
	if n, _ := m.Get(0); n != 100 {
		t.Errorf("%d of 100 updates were counted", n)
	}
}
