package harness

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAwaitReturnsTheLastErrorInTime(t *testing.T) {
	calls := 0
	if err := Await(time.Minute, func() error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil || calls != 3 {
		t.Errorf("after %d calls: %v", calls, err)
	}
	if err := Await(0, func() error { return errors.New("never") }); err == nil || !strings.Contains(err.Error(), "never") {
		t.Errorf("what never comes: %v", err)
	}
}
