package buildkit

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
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

// silenceWatch ends a solve that waits for a registry that is silent: a daemon does so for ever. Nil watches nothing.
type silenceWatch struct {
	silence      time.Duration
	written      func() (bytes int64, known bool)
	repositories []string
	end          context.CancelCauseFunc

	mu     sync.Mutex
	phases map[phaseKey]*phase
	pushed map[string]bool // repositories that are done with
}

// phaseKey is what a daemon calls a phase of a push.
type phaseKey struct {
	vertex digest.Digest
	id     string
}

// phase is one that is under way.
type phase struct {
	exchange
	timer   *time.Timer
	headway time.Time // when there was some
	written int64     // by the daemon at that time
}

// exchange is what a daemon does with a registry: it pushes the manifests or the layers of a repository, writes a cache, or asks for a base
// image.
type exchange struct {
	repository string // that is pushed to
	base       string // image
	large      bool   // it takes longer than an answer: the daemon's bytes are counted
}

// newSilenceWatch watches the solve that runs on the context.
func newSilenceWatch(ctx context.Context, access Access, repositories []string) (context.Context, *silenceWatch) {
	w := &silenceWatch{
		silence: access.Silence, written: access.Written, repositories: repositories, phases: map[phaseKey]*phase{}, pushed: map[string]bool{},
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
func (w *silenceWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.phases {
		w.leave(key)
	}
	w.end(nil)
}

// status takes a line about an exporter.
func (w *silenceWatch) status(s *client.VertexStatus) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if what, is := w.about(s.ID); is {
		w.pushed[what.repository] = w.pushed[what.repository] || s.Completed != nil && !what.large
		w.follow(phaseKey{s.Vertex, s.ID}, what, s.Completed != nil)
	}
}

// vertex takes a step, which may be that of asking for a base image: its manifest and its configuration, no layers.
func (w *silenceWatch) vertex(v *client.Vertex) {
	base, is := strings.CutPrefix(v.Name, "[internal] load metadata for ")
	if w == nil || !is || v.Started == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.follow(phaseKey{v.Digest, v.Name}, exchange{base: base}, v.Completed != nil)
}

// follow begins to watch a phase, or ends it.
func (w *silenceWatch) follow(key phaseKey, what exchange, completed bool) {
	switch {
	case completed:
		w.leave(key)
	case w.phases[key] == nil:
		p := &phase{exchange: what, headway: time.Now()}
		p.written, _ = w.written()
		p.timer = rescue.AfterFunc(w.silence/looks, w.end, func() { w.look(key, p) })
		w.phases[key] = p
	}
}

func (w *silenceWatch) leave(key phaseKey) {
	if p := w.phases[key]; p != nil {
		p.timer.Stop()
		delete(w.phases, key)
	}
}

// look ends the solve when the phase has made no headway for too long, else looks again later.
func (w *silenceWatch) look(key phaseKey, p *phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phases[key] != p {
		return // it has just ended
	}
	limit := w.silence
	if p.large {
		limit = w.limitByBytes(p)
	}
	if time.Since(p.headway) < limit {
		p.timer.Reset(w.silence / looks)
		return
	}
	w.end(p.stuck(limit))
}

// limitByBytes notes whether the daemon has sent something since the last headway.
func (w *silenceWatch) limitByBytes(p *phase) time.Duration {
	written, known := w.written()
	if !known {
		return blindFactor * w.silence
	}
	if float64(written-p.written) > trickle*w.silence.Seconds() {
		p.headway, p.written = time.Now(), written
	}
	return w.silence
}

// stuck is the error about a push in a daemon's words, which package registry reads: nobody knows whether it would have come right.
func (e exchange) stuck(limit time.Duration) error {
	switch {
	case e.base != "":
		return fmt.Errorf("the registry of the base image %s does not answer: it has been silent for %s", e.base, limit)
	case e.repository == "":
		return &SilentCacheError{limit}
	}
	return fmt.Errorf("failed to push %s: failed to do request: Put \"\": i/o timeout: no answer within %s", e.repository, limit)
}

// about tells what a status by this name is about, if it is a push. These are the names that BuildKit gives
// (https://github.com/moby/buildkit/blob/master/util/push/push.go and cache/remotecache/export.go).
func (w *silenceWatch) about(id string) (what exchange, is bool) {
	for _, prefix := range []string{"writing layer ", "writing config ", "writing cache "} {
		if strings.HasPrefix(id, prefix) {
			return exchange{large: true}, true
		}
	}
	for _, r := range w.repositories { // one after the other
		switch {
		case id == "pushing manifest for "+r:
			return exchange{repository: r}, true
		case id == "pushing layers" && !w.pushed[r]:
			return exchange{repository: r, large: true}, true
		}
	}
	return exchange{}, false
}
