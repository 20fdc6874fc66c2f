package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// A session that ended gets its own remedy: the daemon answers, so nothing is to be found in its log.
func TestASessionThatEndedHasARemedy(t *testing.T) {
	t.Parallel()
	lost := fmt.Errorf("the build: %w", &buildkit.StoppedError{Cause: &buildkit.LostDaemonError{SessionEnded: true}})
	got := explainLost(builder{endpoint: "tcp://builder:1234"}, lost).Error()
	want := "the daemon answers. This machine may have been paused, or its connection to the builder was too slow " +
		"for the health checks of the daemon: run pulumi up again"
	if !strings.HasSuffix(got, want) {
		t.Errorf("got %q", got)
	}
}
