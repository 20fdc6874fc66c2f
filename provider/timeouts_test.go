package provider

import (
	"testing"
	"time"
)

func TestParseTimeouts(t *testing.T) {
	t.Parallel()
	got, err := ParseTimeouts("2s 3s 10ms 4s")
	want := Timeouts{
		Request: 2 * time.Second, Stall: 3 * time.Second, Pause: 10 * time.Millisecond, Daemon: 4 * time.Second,
	}
	if err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if got, err := ParseTimeouts(""); err != nil || got != (Timeouts{}) || got.settings().registry.RetryWaits != nil {
		t.Errorf("no text: got %v, %v, want the defaults", got, err)
	}
	for _, text := range []string{"2s", "2s 3s 10ms", "2s 3s 10ms four"} {
		if got, err := ParseTimeouts(text); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
}
