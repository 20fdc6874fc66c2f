package buildkit

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// How long a registry may take to answer to manifests, which are small, and how many times longer for layers, of which a daemon does not
// tell how many bytes have gone.
const (
	defaultSilence = 2 * time.Minute
	layersFactor   = 30
)

// pushWatch ends a solve whose push makes no headway: a daemon waits for ever for a registry that took all and answers nothing.
type pushWatch struct {
	silence      time.Duration
	repositories []string
	end          context.CancelCauseFunc

	mu     sync.Mutex
	timers map[pushPhase]*time.Timer
}

// pushPhase is one that is under way.
type pushPhase struct {
	vertex digest.Digest
	id     string
}

// newPushWatch watches the solve that runs on the context.
func newPushWatch(ctx context.Context, silence time.Duration, repositories []string) (context.Context, *pushWatch) {
	if silence == 0 {
		silence = defaultSilence
	}
	ctx, end := context.WithCancelCause(ctx)
	return ctx, &pushWatch{silence: silence, repositories: repositories, end: end, timers: map[pushPhase]*time.Timer{}}
}

// stop ends the watch. The context is not for use any more.
func (w *pushWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, timer := range w.timers {
		timer.Stop()
	}
	w.end(nil)
}

// status takes a line about an exporter.
func (w *pushWatch) status(s *client.VertexStatus) {
	repository, limit := w.pushing(s.ID)
	if repository == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	phase := pushPhase{s.Vertex, s.ID}
	timer, running := w.timers[phase]
	switch {
	case s.Completed != nil && running:
		timer.Stop()
		delete(w.timers, phase)
	case s.Completed == nil && !running:
		// In a daemon's words, which package registry reads: nobody knows whether it would have come right.
		w.timers[phase] = time.AfterFunc(limit, func() {
			w.end(fmt.Errorf("failed to push %s: failed to do request: Put \"\": i/o timeout: no answer within %s", repository, limit))
		})
	}
}

// pushing is what a status by this name is about, and how long that may take; "" for one that is not about a push. These are the names
// that BuildKit gives (https://github.com/moby/buildkit/blob/master/util/push/push.go).
func (w *pushWatch) pushing(id string) (repository string, limit time.Duration) {
	for _, r := range w.repositories {
		if id == "pushing manifest for "+r {
			return r, w.silence
		}
	}
	if id == "pushing layers" && len(w.repositories) > 0 {
		return w.repositories[0], layersFactor * w.silence
	}
	return "", 0
}
