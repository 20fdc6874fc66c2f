package buildkit

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// stepTracker follows the status of one solve and reports it as events. It belongs to one goroutine until the solve has
// returned.
type stepTracker struct {
	platforms     *stepPlatforms
	redact        *redaction
	log           *slog.Logger
	report        func(Event)
	seen          map[digest.Digest]*stepState
	cacheFailures []*CacheError
	alternatives  bool // some of the caches to read stand for one another
	imported      bool // a cache was read
	watch         *stallWatch
	gate          *pushGate
	waiting       *waitTracker
	times         timeTracker
	caches        *cacheTracker // nil: the solve writes no caches
}

// stepState is what the daemon has said of one step so far.
type stepState struct {
	Step
	name    string // as the daemon writes it
	failure string // what the daemon says of its failure
	running bool
	since   time.Time // of the start that was reported last
	failed  bool
	streams map[int]*redactedStream // by file descriptor
	output  outputTail
}

func newStepTracker(
	platforms *stepPlatforms, redact *redaction, logger *slog.Logger, report func(Event),
) *stepTracker {
	return &stepTracker{
		platforms: platforms, redact: redact, log: logger, report: report, seen: map[digest.Digest]*stepState{},
		times: timeTracker{vertexes: map[digest.Digest]*timedVertex{}},
	}
}

// follow reads the status of the solve until the channel closes.
func (s *stepTracker) follow(status <-chan *client.SolveStatus) {
	for update := range status {
		for _, v := range update.Vertexes {
			s.vertex(v)
			s.waiting.vertex(v, s.state(v.Digest).Step)
			s.times.vertex(v, s.state(v.Digest).Step)
			s.watch.vertex(v)
			s.caches.vertex(v, s.state(v.Digest).Step)
		}
		for _, status := range update.Statuses {
			if s.gate.takeStatus(status) {
				s.times.leaveOut(status)
				continue
			}
			if s.waiting.status(status) {
				s.report(Event{Kind: Pushing})
			}
			s.times.status(status, s.waiting.repositoryOf(status))
			s.watch.status(status)
			s.caches.status(status)
			s.reportStatus(status)
		}
		for _, l := range update.Logs {
			s.keepOutput(s.state(l.Vertex), l)
		}
		for _, w := range update.Warnings {
			s.report(Event{Kind: Warned, Step: s.state(w.Vertex).Step, Text: s.redact.hide(string(w.Short))})
		}
	}
}

// reportStatus reports what a running step does. It leaves out single layers that are pulled.
func (s *stepTracker) reportStatus(v *client.VertexStatus) {
	text := strings.TrimSuffix(v.ID, ":")
	switch {
	case strings.Contains(text, "sha256:") && !strings.HasPrefix(text, "pushing"):
		return
	case v.Completed != nil:
		text = ""
	case v.Current > 0:
		text += " " + units.BytesSize(float64(v.Current))
	}
	s.report(Event{Kind: Moved, Step: s.state(v.Vertex).Step, Text: s.redact.hide(text)})
}

// state returns the state of a step. It makes one for a step that is new.
func (s *stepTracker) state(d digest.Digest) *stepState {
	if s.seen[d] == nil {
		s.seen[d] = &stepState{streams: map[int]*redactedStream{}}
	}
	return s.seen[d]
}

// warn reports a warning that the build does not fail for.
func (s *stepTracker) warn(warning error) {
	s.report(Event{Kind: Warned, Text: s.redact.hide(warning.Error()), Warning: warning})
}

// warnOfCaches warns of each failure of a cache once. It does not warn of a failed import if an alternative succeeded.
func (s *stepTracker) warnOfCaches() {
	if s.alternatives && s.imported {
		s.cacheFailures = slices.DeleteFunc(s.cacheFailures, func(e *CacheError) bool { return e.missing })
	}
	byText := func(a, b *CacheError) int { return strings.Compare(a.Error(), b.Error()) }
	sameText := func(a, b *CacheError) bool { return a.Error() == b.Error() }
	for _, failure := range slices.CompactFunc(slices.SortedFunc(slices.Values(s.cacheFailures), byText), sameText) {
		s.warn(failure)
	}
}

// keepOutput keeps a piece of a step's output, without secrets. The pieces of the two streams of a process alternate.
func (s *stepTracker) keepOutput(state *stepState, l *client.VertexLog) {
	if state.streams[l.Stream] == nil {
		state.streams[l.Stream] = &redactedStream{redact: s.redact}
	}
	state.output.write(state.streams[l.Stream].write(l.Data))
}

// lastLines returns the last lines that the step printed.
func (s *stepState) lastLines() []string {
	for _, stream := range slices.Sorted(maps.Keys(s.streams)) {
		s.output.write(s.streams[stream].end())
	}
	return s.output.lastLines()
}

// vertex takes what the daemon says of a step, and reports that it started, finished or failed.
func (s *stepTracker) vertex(v *client.Vertex) {
	state := s.state(v.Digest)
	state.name = v.Name
	state.Step = parseStep(s.redact.hide(v.Name))
	if state.Position != "" && state.Platform == "" {
		state.Platform = s.platforms.of(v.Digest)
	}
	// The steps of sources start twice: once to resolve, once to fetch.
	if v.Started != nil && v.Started.After(state.since) {
		state.since, state.running = *v.Started, true
		s.report(Event{Kind: Started, Step: state.Step})
	}
	if v.Completed == nil || !state.running {
		return
	}
	state.running = false
	if state.failed = v.Error != ""; state.failed {
		state.failure = v.Error
		s.report(Event{Kind: Failed, Step: state.Step})
		if failure := newCacheError(v.Name, v.Error); failure != nil {
			s.cacheFailures = append(s.cacheFailures, failure)
		}
		s.logCache(v)
		return
	}
	s.logCache(v)
	s.imported = s.imported || strings.HasPrefix(v.Name, cacheImportPrefix)
	s.report(Event{Kind: Finished, Step: state.Step, Cached: v.Cached, Elapsed: duration(v)})
}

// logCache logs the end of a step that is about a cache.
func (s *stepTracker) logCache(v *client.Vertex) {
	message := "cache import"
	cache, ok := strings.CutPrefix(v.Name, cacheImportPrefix)
	if !ok {
		message = "cache export"
		cache, ok = cutCacheExport(v.Name)
	}
	switch {
	case !ok:
	case v.Error != "":
		s.log.Debug(message+" failed", "cache", cache, "duration", duration(v), "reason", v.Error)
	default:
		s.log.Debug(message+" ends", "cache", cache, "duration", duration(v))
	}
}

// duration returns how long a completed step took.
func duration(v *client.Vertex) time.Duration {
	if v.Started == nil {
		return 0
	}
	return v.Completed.Sub(*v.Started)
}
