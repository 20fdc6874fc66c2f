package buildkit

import (
	"context"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// cancelGrace is how long a daemon may take to end a build after its context has ended.
const cancelGrace = time.Second

// closeAfterGrace starts a watchdog that closes c if the build has not ended within cancelGrace after ctx. The caller
// stops the watchdog when the build has ended.
//
// BuildKit's client itself waits 5 s for a last status, even if it cannot reach the daemon any more.
func closeAfterGrace(ctx context.Context, c *client.Client) (stopWatchdog func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	rescue.Go(func(error) { _ = c.Close() }, func() {
		defer close(done)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		select {
		case <-ended:
		case <-time.After(cancelGrace):
			_ = c.Close()
		}
	})
	return func() { close(ended); <-done }
}
