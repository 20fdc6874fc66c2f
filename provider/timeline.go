package provider

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/docker/go-units"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// Limits of the line about the time. A quick operation gets none, and neither does one without a part that takes a
// large share of it: one in largeShare.
const (
	summarizedAfter = 5 * time.Second
	largeShare      = 3
)

// timeline collects where the time of one operation went. Its methods may be called from any goroutine, and on nil.
type timeline struct {
	began time.Time

	mu      sync.Mutex
	longest timePart
}

// timePart is something that an operation spent time on.
type timePart struct {
	doing string // such as "pushing layers to ghcr.io/acme/api"
	took  time.Duration
	// setting returns the sentence about a setting that saves some of the time; "" if there is none. It may be nil.
	setting func() string
}

func newTimeline() *timeline { return &timeline{began: time.Now()} }

// begin starts a part. The caller calls end when it is over; further calls do nothing.
func (t *timeline) begin(doing string) (end func()) { return t.beginWith(doing, nil) }

// beginWith does what begin does, for a part with a setting.
func (t *timeline) beginWith(doing string, setting func() string) (end func()) {
	began := time.Now()
	return sync.OnceFunc(func() { t.add(timePart{doing: doing, took: time.Since(began), setting: setting}) })
}

// add keeps a part if it is the longest one.
func (t *timeline) add(part timePart) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if part.took > t.longest.took {
		t.longest = part
	}
}

// summarize returns the line about an operation that is done after the whole time. It returns "" if the operation was
// quicker than after, or if no part of it is large.
func (t *timeline) summarize(done string, whole, after time.Duration) string {
	t.mu.Lock()
	part := t.longest
	t.mu.Unlock()
	if whole < after || part.took*largeShare < whole {
		return ""
	}
	line := fmt.Sprintf("%s in %s, %s of it %s", done, shortDuration(whole), shortDuration(min(part.took, whole)),
		part.doing)
	if part.setting == nil {
		return line
	}
	if setting := part.setting(); setting != "" {
		line += ". " + setting
	}
	return line
}

// logTime logs which part of an operation took longest, and the setting that saves some of it. It logs nothing unless
// that is useful.
func logTime(ctx context.Context, settings *settings, op operation, done string) {
	if op.times == nil {
		return
	}
	after := summarizedAfter
	if settings.summarizedAfter != nil {
		after = *settings.summarizedAfter
	}
	if line := op.times.summarize(done, time.Since(op.times.began), after); line != "" {
		loggerOf(ctx).infof("%s", line)
	}
}

// noteTime records where the time of the last solve went. isEmulated tells whether its longest phase is a step that the
// builder emulates.
func (b *imageBuild) noteTime(isEmulated bool) {
	timing := b.built.Timing
	for i, phase := range timing.Phases {
		b.op.times.add(timePart{
			doing: phaseText(phase, b.platform), took: phase.Took,
			setting: func() string { return b.timeFacts(timing, phase, isEmulated && i == 0).setting() },
		})
	}
}

// phaseText says what a solve did in a phase. platform is that of the solve; "" if it builds all.
func phaseText(p buildkit.PhaseTime, platform string) string {
	text := buildWaitText(buildkit.Wait{Phase: p.Phase, Step: p.Step, What: p.What, Host: p.Host})
	if p.Bytes > 0 {
		text += " (" + units.BytesSize(float64(p.Bytes)) + ")"
	}
	if platform != "" && p.Step.Platform == "" {
		text += " for " + platform
	}
	return text
}
