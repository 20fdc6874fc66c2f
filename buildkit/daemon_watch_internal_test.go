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
	refuse bool // a proxy refuses the questions
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
	if d.refuse {
		return nil, status.Error(codes.Unavailable, "no such route")
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

// A daemon is alive if it answers. It also is if a proxy refuses the question and its session gave a sign of life.
func TestADaemonIsAliveBehindAProxyThatRefusesQuestions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		daemon *askedDaemon
		silent time.Duration
		want   bool
	}{
		"it answers":           {daemon: &askedDaemon{}, silent: time.Hour, want: true},
		"refused":              {daemon: &askedDaemon{refuse: true}, want: true},
		"refused and silent":   {daemon: &askedDaemon{refuse: true}, silent: time.Hour},
		"it has just frozen":   {daemon: &askedDaemon{frozen: true}},
		"it froze an hour ago": {daemon: &askedDaemon{frozen: true}, silent: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &daemonWatch{silence: 3 * time.Second, api: c.daemon, began: time.Now().Add(-c.silent)}
			if _, ok := w.isAlive(t.Context()); ok != c.want {
				t.Errorf("alive: %t, want %t", ok, c.want)
			}
		})
	}
}

// After a freeze, a daemon is alive since its first sign of life.
func TestAThawedDaemonIsAliveSinceItsThaw(t *testing.T) {
	t.Parallel()
	w := &daemonWatch{silence: time.Minute, api: &askedDaemon{}, began: time.Now().Add(-time.Hour)}
	asked := time.Now()
	thaw, ok := w.isAlive(t.Context())
	if !ok || thaw.Before(asked) {
		t.Errorf("alive: %t, since %s before the question", ok, asked.Sub(thaw))
	}
	if since, ok := w.isAlive(t.Context()); !ok || !since.Equal(thaw) {
		t.Errorf("alive: %t, since %s after the thaw", ok, since.Sub(thaw))
	}
}
