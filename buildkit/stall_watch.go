package buildkit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	// defaultStallTimeout is how long a registry may take to answer, and how long a daemon may send nothing of a layer.
	defaultStallTimeout = 2 * time.Minute

	// uncountedFactor is how many timeouts all layers together may take if the daemon's bytes cannot be counted.
	uncountedFactor = 30

	// layerFactor is how many timeouts a pulled layer may take if the daemon's bytes cannot be counted. A daemon
	// reports a layer MiB by MiB.
	layerFactor = 5

	// minBytesPerSecond is the rate below which a daemon makes no progress. A daemon always writes a little, because it
	// answers health checks.
	minBytesPerSecond = 512

	// layerPollBytesPerSecond is the rate at which a daemon reads its own disk to report the size of a layer.
	layerPollBytesPerSecond = 2 << 10

	// checksPerTimeout is how often within the timeout a daemon's bytes are counted.
	checksPerTimeout = 8
)

// stallWatch ends a solve that waits for a registry that makes no progress. A daemon itself would wait forever. A nil
// stallWatch does nothing.
//
// The registry is blamed only if the daemon is alive. A daemonWatch ends the solve of a daemon that is not.
type stallWatch struct {
	// isDaemonAlive tells whether the daemon is alive, and since when it has given signs of life without a gap. It may
	// take seconds; nil: it is.
	isDaemonAlive func() (since time.Time, ok bool)

	timeout      time.Duration
	bytesWritten func() (bytes int64, ok bool)
	bytesRead    func() (bytes int64, ok bool)
	repositories []string
	files        inputs.Files // whose remote contexts are fetched
	end          context.CancelCauseFunc
	log          *slog.Logger

	mu         sync.Mutex
	activities map[activityKey]*activity
	names      map[digest.Digest]string // of steps
	pushed     map[string]bool          // repositories whose push has ended
}

// activityKey is the daemon's name for an activity.
type activityKey struct {
	vertex digest.Digest
	id     string
}

// activity is a transfer that has begun and not ended.
type activity struct {
	transfer
	timer      *time.Timer
	progressed time.Time     // time of the last progress
	counted    bool          // moved is known
	moved      int64         // bytes that the daemon had moved by then: written, or read for a fetch
	pulled     int64         // bytes of a layer
	limit      time.Duration // how long it may make no progress, by the last check
}

// newStallWatch starts to watch a solve. The solve must run on the context that newStallWatch returns.
func newStallWatch(
	ctx context.Context, access Access, plan inputs.Plan, logger *slog.Logger,
) (context.Context, *stallWatch) {
	w := &stallWatch{
		timeout: access.StallTimeout, bytesWritten: access.BytesWritten, bytesRead: access.BytesRead,
		repositories: plan.Repositories, files: plan.Files, log: logger,
		activities: map[activityKey]*activity{}, pushed: map[string]bool{}, names: map[digest.Digest]string{},
	}
	if w.timeout == 0 {
		w.timeout = defaultStallTimeout
	}
	unknown := func() (int64, bool) { return 0, false }
	if w.bytesWritten == nil {
		w.bytesWritten = unknown
	}
	if w.bytesRead == nil {
		w.bytesRead = unknown
	}
	ctx, w.end = context.WithCancelCause(ctx)
	return ctx, w
}

// stop ends the watch and its context.
func (w *stallWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.activities {
		w.forget(key)
	}
	w.end(nil)
}

// status takes what the daemon says of a part of a step, such as a push or a layer that it pulls.
func (w *stallWatch) status(s *client.VertexStatus) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteProgress(s)
	if t, ok := describePush(s.ID, w.repositories, w.pushed); ok {
		w.logPush(t, s)
		w.pushed[t.repository] = w.pushed[t.repository] || s.Completed != nil && !t.large
		w.track(activityKey{s.Vertex, s.ID}, t, s.Completed != nil)
	}
}

// logPush logs the beginning and the end of a push.
func (w *stallWatch) logPush(t transfer, s *client.VertexStatus) {
	switch {
	case t.repository == "":
	case s.Completed == nil && w.activities[activityKey{s.Vertex, s.ID}] == nil:
		w.log.Debug("push starts", "repository", t.repository, "what", s.ID)
	case s.Completed != nil && s.Started != nil:
		w.log.Debug("push ends", "repository", t.repository, "what", s.ID,
			"start", *s.Started, "end", *s.Completed, "duration", s.Completed.Sub(*s.Started))
	}
}

// vertex takes what the daemon says of a step. It watches a step that resolves a base image, which transfers a manifest
// and a configuration and no layers. It watches a step that fetches something too.
func (w *stallWatch) vertex(v *client.Vertex) {
	if w == nil || v.Started == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[v.Digest] = v.Name
	t, ok := describeResolve(v.Name)
	if !ok {
		t, ok = describeFetch(v.Name, w.files)
	}
	if ok {
		w.track(activityKey{v.Digest, v.Name}, t, v.Completed != nil)
	}
}

// track starts to watch a transfer, or stops when it is complete.
func (w *stallWatch) track(key activityKey, t transfer, complete bool) {
	switch {
	case complete:
		w.forget(key)
	case w.activities[key] == nil:
		a := &activity{transfer: t, progressed: time.Now()}
		a.timer = rescue.AfterFunc(w.timeout/checksPerTimeout, w.end, func() { w.check(key, a) })
		w.activities[key] = a
	}
}

// forget stops to watch an activity.
func (w *stallWatch) forget(key activityKey) {
	if a := w.activities[key]; a != nil {
		a.timer.Stop()
		delete(w.activities, key)
	}
}

// check ends the solve if the activity has made no progress for too long. Otherwise it checks again later.
func (w *stallWatch) check(key activityKey, a *activity) {
	if !w.isStalled(key, a) {
		return
	}
	since, isAlive := time.Time{}, true
	if w.isDaemonAlive != nil {
		since, isAlive = w.isDaemonAlive()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.activities[key] != a {
		return // it has ended meanwhile
	}
	switch {
	case !isAlive:
		w.log.Debug("stalled, and the daemon gives no sign of life", "what", key.id)
		a.progressed = time.Now()
	case since.After(a.progressed): // a frozen daemon has taken nothing from the registry
		a.progressed = since
	}
	// The daemon may have made progress while it was asked.
	if idle := w.idle(a); idle >= a.limit {
		w.log.Debug("stalled", "what", key.id, "idle", idle, "limit", a.limit)
		w.end(a.stallError(a.limit))
		return
	}
	a.timer.Reset(w.timeout / checksPerTimeout)
}

// isStalled reports whether an activity has made no progress for too long. If it has not, it is checked again later.
func (w *stallWatch) isStalled(key activityKey, a *activity) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.activities[key] != a {
		return false // it has just ended
	}
	idle := w.idle(a)
	if idle >= a.limit {
		return true
	}
	if idle >= a.limit/2 {
		w.log.Debug("no progress", "what", key.id, "idle", idle, "limit", a.limit)
	}
	a.timer.Reset(w.timeout / checksPerTimeout)
	return false
}

// idle returns for how long an activity has made no progress. It counts the daemon's bytes and sets the limit.
func (w *stallWatch) idle(a *activity) time.Duration {
	a.limit = w.timeout
	switch {
	case a.large:
		a.limit = w.limitByBytes(a, uncountedFactor)
	case a.fetch != nil:
		a.limit = w.limitByBytes(a, layerFactor)
	}
	return time.Since(a.progressed)
}
