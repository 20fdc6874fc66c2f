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
	// defaultStallTimeout is how long a registry may take to answer, and how long a daemon may send nothing of a layer.
	defaultStallTimeout = 2 * time.Minute
	// uncountedFactor is how many times longer all layers may take where nobody can tell what the daemon sends.
	uncountedFactor = 30
	// layerFactor is how many times longer a layer may take that is pulled where nobody can tell what the daemon reads: it tells of
	// a layer MiB by MiB.
	layerFactor = 5
	// minBytesPerSecond is no headway, in bytes in each second of the timeout: a daemon always answers those who ask whether it is well.
	minBytesPerSecond = 512
	// layerPollBytesPerSecond is what a daemon reads from its own disk to tell how far a layer is, in bytes each second.
	layerPollBytesPerSecond = 2 << 10
	// checksPerTimeout are how often within the timeout a daemon's bytes are counted.
	checksPerTimeout = 8
)

// stallWatch ends a solve that waits for a registry that is silent: a daemon does so for ever. Nil watches nothing.
type stallWatch struct {
	timeout      time.Duration
	bytesWritten func() (bytes int64, known bool)
	bytesRead    func() (bytes int64, known bool)
	repositories []string
	files        inputs.Files // whose remote contexts are fetched
	end          context.CancelCauseFunc

	mu         sync.Mutex
	activities map[activityKey]*activity
	names      map[digest.Digest]string // of steps
	pushed     map[string]bool          // repositories that are done with
}

// activityKey is what a daemon calls a phase of a push.
type activityKey struct {
	vertex digest.Digest
	id     string
}

// activity is one that is under way.
type activity struct {
	transfer
	timer      *time.Timer
	progressed time.Time // when there was some
	moved      int64     // by the daemon at that time: bytes written, or read for a fetch
	pulled     int64     // of a layer
}

// transfer is what a daemon does with a registry: it pushes the manifests or the layers of a repository, writes a cache, or asks for a base
// image.
type transfer struct {
	repository string // that is pushed to
	base       string // image
	frontend   bool   // the image is a frontend's
	large      bool   // it takes longer than an answer: the daemon's bytes are counted
	fetch      *StalledSourceError
}

// newStallWatch watches the solve that runs on the context.
func newStallWatch(ctx context.Context, access Access, plan inputs.Plan) (context.Context, *stallWatch) {
	w := &stallWatch{
		timeout: access.StallTimeout, bytesWritten: access.BytesWritten, bytesRead: access.BytesRead, repositories: plan.Repositories, files: plan.Files,
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

// stop ends the watch. The context is not for use any more.
func (w *stallWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.activities {
		w.forget(key)
	}
	w.end(nil)
}

// status takes a line about an exporter.
func (w *stallWatch) status(s *client.VertexStatus) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteProgress(s)
	if what, is := w.describePush(s.ID); is {
		w.pushed[what.repository] = w.pushed[what.repository] || s.Completed != nil && !what.large
		w.begin(activityKey{s.Vertex, s.ID}, what, s.Completed != nil)
	}
}

// vertex takes a step, which may be that of asking for a base image – its manifest and its configuration, no layers – or that
// of fetching something.
func (w *stallWatch) vertex(v *client.Vertex) {
	if w == nil || v.Started == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[v.Digest] = v.Name
	what, ok := describeResolve(v.Name)
	if !ok {
		what, ok = w.describeFetch(v.Name)
	}
	if ok {
		w.begin(activityKey{v.Digest, v.Name}, what, v.Completed != nil)
	}
}

// frontendPrefix is how a daemon names the step that asks for the image of a frontend.
const frontendPrefix = "resolve image config for docker-image://"

// resolveStep is how BuildKit's frontend names the step that asks for a base image (frontend/dockerfile/dockerfile2llb and
// frontend/dockerui). A step of the Dockerfile begins with its number, and may have these words behind it.
var resolveStep = regexp.MustCompile(`^(?:\[(?:(?:\S+ )?internal|context [^\]]+)\] )?load metadata for (.+)$`)

// describeResolve is about a step that asks a registry what an image is.
func describeResolve(step string) (transfer, bool) {
	if base, ok := strings.CutPrefix(step, frontendPrefix); ok {
		return transfer{base: base, frontend: true}, true
	}
	if m := resolveStep.FindStringSubmatch(step); m != nil {
		return transfer{base: m[1]}, true
	}
	return transfer{}, false
}

// begin begins to watch a phase, or ends it.
func (w *stallWatch) begin(key activityKey, what transfer, completed bool) {
	switch {
	case completed:
		w.forget(key)
	case w.activities[key] == nil:
		p := &activity{transfer: what, progressed: time.Now()}
		p.moved, _ = w.countBytes(p)
		p.timer = rescue.AfterFunc(w.timeout/checksPerTimeout, w.end, func() { w.check(key, p) })
		w.activities[key] = p
	}
}

func (w *stallWatch) forget(key activityKey) {
	if p := w.activities[key]; p != nil {
		p.timer.Stop()
		delete(w.activities, key)
	}
}

// check ends the solve when the phase has made no headway for too long, else looks again later.
func (w *stallWatch) check(key activityKey, p *activity) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.activities[key] != p {
		return // it has just ended
	}
	limit := w.timeout
	switch {
	case p.large:
		limit = w.limitByBytes(p, uncountedFactor)
	case p.fetch != nil:
		limit = w.limitByBytes(p, layerFactor)
	}
	if time.Since(p.progressed) < limit {
		p.timer.Reset(w.timeout / checksPerTimeout)
		return
	}
	w.end(p.stallError(limit))
}

// countBytes is what the daemon has moved for such a phase, in bytes.
func (w *stallWatch) countBytes(p *activity) (bytes int64, known bool) {
	if p.fetch != nil {
		return w.bytesRead()
	}
	return w.bytesWritten()
}

// limitByBytes notes whether the daemon has moved something since the last headway. Where that is not known, the limit is so
// many times longer.
func (w *stallWatch) limitByBytes(p *activity, blind time.Duration) time.Duration {
	moved, known := w.countBytes(p)
	if !known {
		return blind * w.timeout
	}
	if float64(moved-p.moved) > w.idleBytesPerSecond(p)*w.timeout.Seconds() {
		p.progressed, p.moved = time.Now(), moved
	}
	return w.timeout
}

// describePush tells what a status by this name is about, if it is a push. These are the names that BuildKit gives
// (https://github.com/moby/buildkit/blob/master/util/push/push.go and cache/remotecache/export.go).
func (w *stallWatch) describePush(id string) (what transfer, is bool) {
	for _, prefix := range []string{"writing layer ", "writing config ", "writing cache "} {
		if strings.HasPrefix(id, prefix) {
			return transfer{large: true}, true
		}
	}
	for _, r := range w.repositories { // one after the other
		switch {
		case id == "pushing manifest for "+r:
			return transfer{repository: r}, true
		case id == "pushing layers" && !w.pushed[r]:
			return transfer{repository: r, large: true}, true
		}
	}
	return transfer{}, false
}
