package buildkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	// defaultSilence is how long a daemon may give no sign of life. A daemon asks for the health of its session every
	// 5 s, and waits half a minute at most for the answer.
	defaultSilence = 45 * time.Second

	// askAfter is the part of the silence after which a daemon is asked for a sign of life.
	askAfter = 1. / 3

	// freezeAfter is the part of the silence after which a daemon that gives a sign of life again was frozen, or this
	// process was paused.
	freezeAfter = 2. / 3
)

// errSolveEnded ends a daemonWatch.
var errSolveEnded = errors.New("the solve has ended")

// daemonWatch ends a solve whose daemon gives no sign of life. Signs of life are all that the daemon sends in its
// session, and its answers to questions. A step that prints nothing is no silence: the session goes on meanwhile.
//
// The keepalive of the connection notices most frozen daemons. It does not notice one behind a proxy that speaks HTTP/2
// and answers pings itself.
type daemonWatch struct {
	silence time.Duration
	api     controlapi.ControlClient
	end     context.CancelCauseFunc
	log     *slog.Logger
	heard   atomic.Int64 // nanoseconds since began
	thawed  atomic.Int64 // the same, of the first sign of life after the last freeze; 0: there was none
	began   time.Time
}

func newDaemonWatch(c *client.Client, access Access, end context.CancelCauseFunc, logger *slog.Logger) *daemonWatch {
	w := &daemonWatch{
		silence: access.Silence, api: c.ControlClient(), end: end, log: logger, began: time.Now(),
	}
	if w.silence == 0 {
		w.silence = defaultSilence
	}
	return w
}

// start watches until ctx ends. stop waits until the watch has ended.
func (w *daemonWatch) start(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	rescue.Go(w.end, func() {
		defer close(done)
		w.watch(ctx)
	})
	return func() { cancel(errSolveEnded); <-done }
}

// watch asks a silent daemon for a sign of life, and ends the solve if none comes.
//
// This process may be paused: stopped by a signal, or with its virtual machine. The daemon seems silent then, and its
// answers are not read. So only a question without a pause counts.
func (w *daemonWatch) watch(ctx context.Context) {
	quiet := time.Duration(float64(w.silence) * askAfter)
	isLost := false // the last question had no answer
	for {
		silent := w.silent()
		if silent >= w.silence && isLost {
			w.log.DebugContext(ctx, "daemon gives no sign of life", "silent", silent)
			w.end(&LostDaemonError{Silent: true, Limit: silent})
			return
		}
		if silent < quiet {
			isLost = false
			if !pause(ctx, quiet-silent) {
				return
			}
			continue
		}
		w.log.DebugContext(ctx, "daemon is asked for a sign of life", "silent", silent)
		limit := max(w.silence-silent, w.silence/10)
		began := time.Now()
		if w.ask(ctx, limit) {
			w.note()
			continue
		}
		if !pause(ctx, w.silence/100) {
			return
		}
		isLost = time.Since(began) < limit+w.silence/10
	}
}

// ask reports whether the daemon answers a question within limit. A refusal is an answer, too.
func (w *daemonWatch) ask(ctx context.Context, limit time.Duration) bool {
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer stop()
	_, err := w.api.Info(ctx, &controlapi.InfoRequest{})
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		return false
	}
	return true
}

// isAlive asks the daemon for a sign of life, and reports whether it gives any within a third of the silence. since is
// when its signs of life began to come without a freeze.
//
// A proxy may refuse the question at once. The daemon is alive then if its last sign of life is no older.
func (w *daemonWatch) isAlive(ctx context.Context) (since time.Time, ok bool) {
	limit := time.Duration(float64(w.silence) * askAfter)
	before, began := w.heard.Load(), time.Now()
	if ok = w.ask(ctx, limit); ok {
		w.note()
	}
	isRefused := !ok && ctx.Err() == nil && time.Since(began) < limit
	ok = ok || w.heard.Load() > before || isRefused && w.silent() < limit
	return w.began.Add(time.Duration(w.thawed.Load())), ok
}

// silent returns for how long the daemon has given no sign of life.
func (w *daemonWatch) silent() time.Duration {
	return time.Since(w.began) - time.Duration(w.heard.Load())
}

// note notes a sign of life.
func (w *daemonWatch) note() {
	now := time.Since(w.began)
	before := time.Duration(w.heard.Swap(int64(now)))
	if now-before > time.Duration(float64(w.silence)*freezeAfter) {
		w.thawed.Store(int64(now))
	}
}

// dialer returns what connects the session to the daemon. All that the daemon sends there is a sign of life.
func (w *daemonWatch) dialer() session.Dialer {
	dial := grpchijack.Dialer(w.api)
	return func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
		conn, err := dial(ctx, proto, meta)
		if err != nil {
			return nil, err
		}
		return &watchedConn{Conn: conn, watch: w}, nil
	}
}

// watchedConn notes the signs of life of a daemon in a session.
type watchedConn struct {
	net.Conn
	watch *daemonWatch
}

// Read implements net.Conn.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.watch.note()
	}
	return n, err
}

// pause waits. It returns false if ctx ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
