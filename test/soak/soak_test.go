package soak

import "testing"

func TestTimesMultiplies(t *testing.T) {
	t.Setenv(Variable, "20")
	if got := Times(t, 3); got != 60 {
		t.Errorf("3 times 20 is %d", got)
	}
	t.Setenv(Variable, "1")
	if got := Times(t, 3); got != 3 {
		t.Errorf("3 times 1 is %d", got)
	}
}
