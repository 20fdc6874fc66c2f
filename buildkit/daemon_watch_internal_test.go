package buildkit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// askedDaemon is a daemon that gives a sign of life only if it is asked, or never.
type askedDaemon struct {
	controlapi.ControlClient
	frozen bool
	asked  atomic.Int64
}

// Info implements controlapi.ControlClient.
func (d *askedDaemon) Info(
	ctx context.Context, _ *controlapi.InfoRequest, _ ...grpc.CallOption,
) (*controlapi.InfoResponse, error) {
	d.asked.Add(1)
	if d.frozen {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	return nil, status.Error(codes.Unimplemented, "an answer, too")
}

// After a pause of this process, a daemon is asked before it is given up.
func TestAPauseIsNoSilence(t *testing.T) {
	t.Parallel()
	for name, frozen := range map[string]bool{"it answers": false, "it has frozen": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			daemon := &askedDaemon{frozen: frozen}
			ctx, cancel := context.WithCancelCause(t.Context())
			w := &daemonWatch{
				silence: 2 * time.Second, api: daemon, end: cancel, log: slog.New(slog.DiscardHandler),
				began: time.Now().Add(-time.Hour), // the process was paused for an hour
			}
			stop := w.start(ctx)
			defer stop()
			select {
			case <-ctx.Done():
			case <-time.After(1500 * time.Millisecond):
			}
			_, isLost := errors.AsType[*LostDaemonError](context.Cause(ctx))
			if isLost != frozen || daemon.asked.Load() == 0 {
				t.Errorf("lost: %t, after %d questions", isLost, daemon.asked.Load())
			}
		})
	}
}
