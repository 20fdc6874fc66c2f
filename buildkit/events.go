package buildkit

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
)

// Step is one step of a build.
type Step struct {
	Platform string // that it runs for, as "linux/arm64"; "" for steps that belong to none
	Position string // in its stage, as "build 2/3"; "" for steps that are not the Dockerfile's
	Command  string // as written in the Dockerfile, or what BuildKit calls the step
}

// Kind says what happened to a step.
type Kind int

// The kinds of events.
const (
	Started  Kind = iota
	Finished      // Cached or after Elapsed; a step may start and finish more than once
	Failed        // or was canceled because another step failed
	Moved         // Text is what a running step is at, as "pushing layers" or "transferring context 12MiB"; "" when that is over
	Warned        // Text is a warning about the Dockerfile
	Pushing       // a push has begun: from here on a registry may have a part of the image
)

// Event is something that a person may want to see while a build runs.
type Event struct {
	Kind    Kind
	Step    Step
	Cached  bool
	Elapsed time.Duration
	Text    string
}

// stepName is how BuildKit's frontend names a Dockerfile's step: [linux/amd64->arm64 build 2/3] RUN make
//
// It pads the number of a step to the width of their count, so that a stage without a name begins with "[ 7/14]".
var stepName = regexp.MustCompile(`^\[ *(?:([a-z0-9]+/\S+) +)?(?:(\S+) +)?(\d+/\d+)\] +(?s:(.*))$`)

func parseStep(name string) Step {
	m := stepName.FindStringSubmatch(name)
	if m == nil {
		return Step{Command: strings.TrimPrefix(name, "[internal] ")}
	}
	return Step{Platform: m[1], Position: strings.TrimSpace(m[2] + " " + m[3]), Command: m[4]}
}

// maxOutputLines is how much of a step's output is kept for its failure.
const maxOutputLines = 20

// stepTracker follows the status of one solve. It belongs to one goroutine until the solve has returned.
type stepTracker struct {
	platforms     *stepPlatforms
	redact        *redaction
	report        func(Event)
	seen          map[digest.Digest]*stepState
	cacheFailures []string // what went wrong with them
	watch         *stallWatch
	waiting       *waitTracker
}

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

func newStepTracker(platforms *stepPlatforms, redact *redaction, report func(Event)) *stepTracker {
	return &stepTracker{
		platforms: platforms, redact: redact, report: report, seen: map[digest.Digest]*stepState{},
	}
}

func (s *stepTracker) follow(status <-chan *client.SolveStatus) {
	for update := range status {
		for _, v := range update.Vertexes {
			s.vertex(v)
			s.waiting.vertex(v, s.state(v.Digest).Step)
			s.watch.vertex(v)
		}
		for _, status := range update.Statuses {
			if s.waiting.status(status) {
				s.report(Event{Kind: Pushing})
			}
			s.watch.status(status)
			s.reportStatus(status)
		}
		for _, l := range update.Logs {
			s.log(s.state(l.Vertex), l)
		}
		for _, w := range update.Warnings {
			s.report(Event{Kind: Warned, Step: s.state(w.Vertex).Step, Text: s.redact.hide(string(w.Short))})
		}
	}
}

// reportStatus tells what a step is at. Single layers that are pulled are not worth telling.
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

func (s *stepTracker) state(d digest.Digest) *stepState {
	if s.seen[d] == nil {
		s.seen[d] = &stepState{streams: map[int]*redactedStream{}}
	}
	return s.seen[d]
}

// warn tells a person something that is no reason to fail.
func (s *stepTracker) warn(text string) { s.report(Event{Kind: Warned, Text: s.redact.hide(text)}) }

// warnOfCaches tells what went wrong with caches although the build did not.
func (s *stepTracker) warnOfCaches() {
	for _, trouble := range slices.Compact(slices.Sorted(slices.Values(s.cacheFailures))) {
		s.warn(trouble)
	}
}

// log keeps a piece of output, without secrets. The two streams of a process come in turns, each in pieces of its own.
func (s *stepTracker) log(state *stepState, l *client.VertexLog) {
	if state.streams[l.Stream] == nil {
		state.streams[l.Stream] = &redactedStream{redact: s.redact}
	}
	state.output.write(state.streams[l.Stream].write(l.Data))
}

// lastLines are the last lines that the step printed.
func (s *stepState) lastLines() []string {
	for _, stream := range slices.Sorted(maps.Keys(s.streams)) {
		s.output.write(s.streams[stream].end())
	}
	return s.output.lastLines()
}

func (s *stepTracker) vertex(v *client.Vertex) {
	state := s.state(v.Digest)
	state.name = v.Name
	state.Step = parseStep(s.redact.hide(v.Name))
	if state.Position != "" && state.Platform == "" {
		state.Platform = s.platforms.of(v.Digest)
	}
	if v.Started != nil && v.Started.After(state.since) { // sources start twice: to look, and to fetch
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
		if trouble, ok := parseCacheFailure(v.Name, v.Error); ok {
			s.cacheFailures = append(s.cacheFailures, s.redact.hide(trouble))
		}
		return
	}
	s.report(Event{Kind: Finished, Step: state.Step, Cached: v.Cached, Elapsed: duration(v)})
}

func duration(v *client.Vertex) time.Duration {
	if v.Started == nil {
		return 0
	}
	return v.Completed.Sub(*v.Started)
}
