package buildkit

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The error about a lost daemon says what happened without the words of the packages between.
func TestLostDaemonErrors(t *testing.T) {
	t.Parallel()
	hide := func(text string) string { return strings.ReplaceAll(text, "canary", "***") }
	for text, want := range map[string]string{
		"error reading from server: EOF": "the daemon ended, or the connection to it did",
		"failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF": "the daemon " +
			"ended, or the connection to it did",
		"keepalive ping failed to receive ACK within timeout": "the daemon gives no sign of life",
		"error reading from server: kubectl ended (exit status 137): canary": "the daemon ended, or the connection " +
			"to it did: kubectl ended (exit status 137): ***",
	} {
		if got := newLostDaemonError(status.Error(codes.Unavailable, text), hide).Error(); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	ended := &LostDaemonError{SessionEnded: true}
	if got := ended.Error(); got != "the session with the daemon ended, although the daemon answers" {
		t.Errorf("got %q", got)
	}
	silent := &LostDaemonError{Silent: true, Limit: 45*time.Second + time.Millisecond}
	if got := silent.Error(); got != "the daemon has given no sign of life for 45s" {
		t.Errorf("got %q", got)
	}
}
