package registry

import (
	"testing"
	"time"
)

// TestWaitsGrow: by default for as long as the budget lasts, a 5xx burst of 30 s being nothing.
func TestWaitsGrow(t *testing.T) {
	t.Parallel()
	for tries, longest := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second,
		30 * time.Second, 30 * time.Second, 1000: 30 * time.Second} {
		if longest == 0 {
			continue
		}
		wait, again := backoff(nil).pauseAfter(tries, 0)
		if !again || wait < longest/2 || wait > longest {
			t.Errorf("after %d tries: %s, want %s to %s", tries, wait, longest/2, longest)
		}
	}
	if wait, _ := backoff(nil).pauseAfter(1, time.Minute); wait != time.Minute {
		t.Errorf("the registry asked for a minute and got %s", wait)
	}
	if _, again := (backoff{time.Second}).pauseAfter(2, 0); again {
		t.Error("more pauses than were given")
	}
	if _, again := (backoff{}).pauseAfter(1, 0); again {
		t.Error("an empty list is one try")
	}
}
