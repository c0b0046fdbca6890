package cluster

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestOtherAptsAreWaitedFor: two tests that need packages may come to a new machine at once.
func TestOtherAptsAreWaitedFor(t *testing.T) {
	locked := errors.New("apt-get update: exit status 100; it printed:\nE: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)")
	calls := 0
	apt := func(failures int, failure error) func() error {
		calls = 0
		return func() error {
			if calls++; calls <= failures {
				return failure
			}
			return nil
		}
	}
	if err := whileLocked(t.Context(), time.Minute, apt(2, locked)); err != nil || calls != 3 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := whileLocked(t.Context(), 0, apt(2, locked)); err != locked || calls != 1 {
		t.Errorf("without patience %v after %d calls", err, calls)
	}
	if err := whileLocked(t.Context(), time.Minute, apt(1, errors.ErrUnsupported)); err != errors.ErrUnsupported || calls != 1 {
		t.Errorf("for another reason %v after %d calls", err, calls)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := whileLocked(ended, time.Minute, apt(2, locked)); err != locked || calls != 1 {
		t.Errorf("when nobody waits %v after %d calls", err, calls)
	}
}
