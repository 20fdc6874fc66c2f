package buildkit

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

const (
	// defaultSilence is how long a registry may take to answer, and how long a daemon may send nothing of a layer.
	defaultSilence = 2 * time.Minute
	// blindFactor is how many times longer all layers may take where nobody can tell what the daemon sends.
	blindFactor = 30
	// chunkFactor is how many times longer a layer may take that is pulled where nobody can tell what the daemon reads: it tells of
	// a layer MiB by MiB.
	chunkFactor = 5
	// trickle is no headway, in bytes in each second of the silence: a daemon always answers those who ask whether it is well.
	trickle = 512
	// bookkeeping is what a daemon reads from its own disk to tell how far a layer is, in bytes each second.
	bookkeeping = 2 << 10
	// looks are how often within the silence a daemon's bytes are counted.
	looks = 8
)

// silenceWatch ends a solve that waits for a registry that is silent: a daemon does so for ever. Nil watches nothing.
type silenceWatch struct {
	silence      time.Duration
	written      func() (bytes int64, known bool)
	read         func() (bytes int64, known bool)
	repositories []string
	files        inputs.Files // whose remote contexts are fetched
	end          context.CancelCauseFunc

	mu     sync.Mutex
	phases map[phaseKey]*phase
	names  map[digest.Digest]string // of steps
	pushed map[string]bool          // repositories that are done with
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
	moved   int64     // by the daemon at that time: bytes written, or read for a fetch
	pulled  int64     // of a layer
}

// exchange is what a daemon does with a registry: it pushes the manifests or the layers of a repository, writes a cache, or asks for a base
// image.
type exchange struct {
	repository string // that is pushed to
	base       string // image
	frontend   bool   // the image is a frontend's
	large      bool   // it takes longer than an answer: the daemon's bytes are counted
	fetch      *SilentSourceError
}

// newSilenceWatch watches the solve that runs on the context.
func newSilenceWatch(ctx context.Context, access Access, plan inputs.Plan) (context.Context, *silenceWatch) {
	w := &silenceWatch{
		silence: access.Silence, written: access.Written, read: access.Read, repositories: plan.Repositories, files: plan.Files,
		phases: map[phaseKey]*phase{}, pushed: map[string]bool{}, names: map[digest.Digest]string{},
	}
	if w.silence == 0 {
		w.silence = defaultSilence
	}
	unknown := func() (int64, bool) { return 0, false }
	if w.written == nil {
		w.written = unknown
	}
	if w.read == nil {
		w.read = unknown
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
	w.noteHeadway(s)
	if what, is := w.about(s.ID); is {
		w.pushed[what.repository] = w.pushed[what.repository] || s.Completed != nil && !what.large
		w.follow(phaseKey{s.Vertex, s.ID}, what, s.Completed != nil)
	}
}

// vertex takes a step, which may be that of asking for a base image – its manifest and its configuration, no layers – or that
// of fetching something.
func (w *silenceWatch) vertex(v *client.Vertex) {
	if w == nil || v.Started == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[v.Digest] = v.Name
	what, ok := asking(v.Name)
	if !ok {
		what, ok = w.describeFetch(v.Name)
	}
	if ok {
		w.follow(phaseKey{v.Digest, v.Name}, what, v.Completed != nil)
	}
}

// frontendPrefix is how a daemon names the step that asks for the image of a frontend.
const frontendPrefix = "resolve image config for docker-image://"

// metadataStep is how BuildKit's frontend names the step that asks for a base image (frontend/dockerfile/dockerfile2llb and
// frontend/dockerui). A step of the Dockerfile begins with its number, and may have these words behind it.
var metadataStep = regexp.MustCompile(`^(?:\[(?:(?:\S+ )?internal|context [^\]]+)\] )?load metadata for (.+)$`)

// asking is about a step that asks a registry what an image is.
func asking(step string) (exchange, bool) {
	if base, ok := strings.CutPrefix(step, frontendPrefix); ok {
		return exchange{base: base, frontend: true}, true
	}
	if m := metadataStep.FindStringSubmatch(step); m != nil {
		return exchange{base: m[1]}, true
	}
	return exchange{}, false
}

// follow begins to watch a phase, or ends it.
func (w *silenceWatch) follow(key phaseKey, what exchange, completed bool) {
	switch {
	case completed:
		w.leave(key)
	case w.phases[key] == nil:
		p := &phase{exchange: what, headway: time.Now()}
		p.moved, _ = w.count(p)
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
	switch {
	case p.large:
		limit = w.limitByBytes(p, blindFactor)
	case p.fetch != nil:
		limit = w.limitByBytes(p, chunkFactor)
	}
	if time.Since(p.headway) < limit {
		p.timer.Reset(w.silence / looks)
		return
	}
	w.end(p.stuck(limit))
}

// count is what the daemon has moved for such a phase, in bytes.
func (w *silenceWatch) count(p *phase) (bytes int64, known bool) {
	if p.fetch != nil {
		return w.read()
	}
	return w.written()
}

// limitByBytes notes whether the daemon has moved something since the last headway. Where that is not known, the limit is so
// many times longer.
func (w *silenceWatch) limitByBytes(p *phase, blind time.Duration) time.Duration {
	moved, known := w.count(p)
	if !known {
		return blind * w.silence
	}
	if float64(moved-p.moved) > w.trickle(p)*w.silence.Seconds() {
		p.headway, p.moved = time.Now(), moved
	}
	return w.silence
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
