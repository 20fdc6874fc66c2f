package buildkit

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

const (
	// defaultSilence is how long a registry may take to answer, and how long a daemon may send nothing of a layer.
	defaultSilence = 2 * time.Minute
	// blindFactor is how many times longer all layers may take where nobody can tell what the daemon sends.
	blindFactor = 30
	// trickle is no headway, in bytes in each second of the silence: a daemon always answers those who ask whether it is well.
	trickle = 512
	// looks are how often within the silence a daemon's bytes are counted.
	looks = 8
)

// SilentCacheError says that nothing moved for too long while a cache was written. The image is not concerned.
type SilentCacheError struct{ Limit time.Duration }

func (e *SilentCacheError) Error() string {
	return fmt.Sprintf("writing the cache: nothing of it was taken within %s", e.Limit)
}

// pushWatch ends a solve whose push makes no headway: a daemon waits for ever for a registry that took all and answers nothing.
type pushWatch struct {
	silence      time.Duration
	written      func() (bytes int64, known bool)
	repositories []string
	end          context.CancelCauseFunc

	mu     sync.Mutex
	phases map[phaseKey]*pushPhase
	pushed map[string]bool // repositories that are done with
}

// phaseKey is what a daemon calls a phase of a push.
type phaseKey struct {
	vertex digest.Digest
	id     string
}

// pushPhase is one that is under way.
type pushPhase struct {
	pushing
	timer   *time.Timer
	headway time.Time // when there was some
	written int64     // by the daemon at that time
}

// pushing is what is pushed: the manifests or the layers of one repository, or, without a repository, a cache.
type pushing struct {
	repository string
	large      bool // it takes longer than an answer: the daemon's bytes are counted
}

// newPushWatch watches the solve that runs on the context.
func newPushWatch(ctx context.Context, access Access, repositories []string) (context.Context, *pushWatch) {
	w := &pushWatch{
		silence: access.Silence, written: access.Written, repositories: repositories, phases: map[phaseKey]*pushPhase{}, pushed: map[string]bool{},
	}
	if w.silence == 0 {
		w.silence = defaultSilence
	}
	if w.written == nil {
		w.written = func() (int64, bool) { return 0, false }
	}
	ctx, w.end = context.WithCancelCause(ctx)
	return ctx, w
}

// stop ends the watch. The context is not for use any more.
func (w *pushWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.phases {
		w.leave(key)
	}
	w.end(nil)
}

// status takes a line about an exporter.
func (w *pushWatch) status(s *client.VertexStatus) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what, is := w.about(s.ID)
	if !is {
		return
	}
	key := phaseKey{s.Vertex, s.ID}
	switch phase := w.phases[key]; {
	case s.Completed != nil:
		w.pushed[what.repository] = w.pushed[what.repository] || !what.large
		w.leave(key)
	case phase == nil:
		phase = &pushPhase{pushing: what, headway: time.Now()}
		phase.written, _ = w.written()
		phase.timer = time.AfterFunc(w.silence/looks, func() { w.look(key, phase) })
		w.phases[key] = phase
	}
}

func (w *pushWatch) leave(key phaseKey) {
	if phase := w.phases[key]; phase != nil {
		phase.timer.Stop()
		delete(w.phases, key)
	}
}

// look ends the solve when the phase has made no headway for too long, else looks again later.
func (w *pushWatch) look(key phaseKey, phase *pushPhase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phases[key] != phase {
		return // it has just ended
	}
	limit := w.silence
	if phase.large {
		limit = w.limitByBytes(phase)
	}
	if time.Since(phase.headway) < limit {
		phase.timer.Reset(w.silence / looks)
		return
	}
	w.end(phase.stuck(limit))
}

// limitByBytes notes whether the daemon has sent something since the last headway.
func (w *pushWatch) limitByBytes(phase *pushPhase) time.Duration {
	written, known := w.written()
	if !known {
		return blindFactor * w.silence
	}
	if float64(written-phase.written) > trickle*w.silence.Seconds() {
		phase.headway, phase.written = time.Now(), written
	}
	return w.silence
}

// stuck is the error about a push in a daemon's words, which package registry reads: nobody knows whether it would have come right.
func (p pushing) stuck(limit time.Duration) error {
	if p.repository == "" {
		return &SilentCacheError{limit}
	}
	return fmt.Errorf("failed to push %s: failed to do request: Put \"\": i/o timeout: no answer within %s", p.repository, limit)
}

// about tells what a status by this name is about, if it is a push. These are the names that BuildKit gives
// (https://github.com/moby/buildkit/blob/master/util/push/push.go and cache/remotecache/export.go).
func (w *pushWatch) about(id string) (what pushing, is bool) {
	for _, prefix := range []string{"writing layer ", "writing config ", "writing cache "} {
		if strings.HasPrefix(id, prefix) {
			return pushing{large: true}, true
		}
	}
	for _, r := range w.repositories { // one after the other
		switch {
		case id == "pushing manifest for "+r:
			return pushing{repository: r}, true
		case id == "pushing layers" && !w.pushed[r]:
			return pushing{r, true}, true
		}
	}
	return pushing{}, false
}
