package fault_test

import (
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// TestBackoffGrows holds that the default pauses grow for as long as the budget lasts, so that 30 s of 5xx pass.
func TestBackoffGrows(t *testing.T) {
	t.Parallel()
	for tries, longest := range []time.Duration{
		0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second,
		30 * time.Second, 1000: 30 * time.Second,
	} {
		if longest == 0 {
			continue
		}
		pause, ok := fault.Backoff(nil).PauseAfter(tries, 0)
		if !ok || pause < longest/2 || pause > longest {
			t.Errorf("after %d tries: %s, want %s to %s", tries, pause, longest/2, longest)
		}
	}
	if pause, _ := fault.Backoff(nil).PauseAfter(1, time.Minute); pause != time.Minute {
		t.Errorf("the registry asked for a minute and got %s", pause)
	}
	if _, ok := (fault.Backoff{time.Second}).PauseAfter(2, 0); ok {
		t.Error("more pauses than were given")
	}
	if _, ok := (fault.Backoff{}).PauseAfter(1, 0); ok {
		t.Error("an empty list is one try")
	}
}
