package buildkit

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// newLayerWatch returns a watch of a solve that pulls a layer, and what reports the layer's bytes.
func newLayerWatch(t *testing.T, timeout time.Duration) (ctx context.Context, w *stallWatch, report func(int64)) {
	t.Helper()
	access := Access{StallTimeout: timeout, BytesRead: func() (int64, bool) { return 0, true }}
	ctx, w = newStallWatch(t.Context(), access, inputs.Plan{}, slog.New(slog.DiscardHandler))
	t.Cleanup(w.stop)
	layer, began := digest.FromString("layer").String(), time.Now()
	return ctx, w, func(bytes int64) {
		w.status(&client.VertexStatus{ID: layer, Current: bytes, Total: 9 << 20, Started: &began})
	}
}

// A registry that makes progress while the daemon is asked for a sign of life is not blamed.
func TestProgressDuringAQuestionCounts(t *testing.T) {
	t.Parallel()
	ctx, w, report := newLayerWatch(t, 2*time.Second)
	asked := make(chan struct{}, 100)
	w.isDaemonAlive = func() (time.Time, bool) {
		report(2 << 20)
		asked <- struct{}{}
		return time.Time{}, true
	}
	report(1 << 20)
	<-asked
	if !pause(ctx, time.Second) {
		t.Errorf("it ended: %v", context.Cause(ctx))
	}
}

// A registry gets the whole timeout after a freeze of the daemon, and is blamed then.
func TestTheTimeOfAFrozenDaemonIsNotTheRegistrys(t *testing.T) {
	t.Parallel()
	for name, wasFrozen := range map[string]bool{"it thaws before the question": false, "it does not answer": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, w, report := newLayerWatch(t, time.Second)
			var thaw time.Time
			w.isDaemonAlive = func() (time.Time, bool) {
				if thaw.IsZero() {
					thaw = time.Now()
					return thaw, !wasFrozen
				}
				return thaw, true
			}
			report(1 << 20)
			_ = pause(ctx, 20*time.Second)
			if cause := context.Cause(ctx); !errors.As(cause, new(*StalledSourceError)) {
				t.Errorf("it ended with %v", cause)
			}
			if got := time.Since(thaw); got < time.Second {
				t.Errorf("it ended %s after the thaw", got)
			}
		})
	}
}
