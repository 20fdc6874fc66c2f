package provider

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/foreign"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// statusInterval is how often the status line of a terminal changes. logInterval is how often a log, such as that of
// CI, gets a line about a long step. Each line is a call to the engine.
const (
	statusInterval = 500 * time.Millisecond
	logInterval    = 30 * time.Second
)

// statusWidth bounds a status line, in characters. The engine shows its own columns beside it.
const statusWidth = 100

// progress shows what a build does. A terminal gets one status line with the running step and its time. A log gets one
// line for each finished step, and further lines for a long step.
type progress struct {
	log         logger
	interactive bool
	interval    time.Duration
	done        chan struct{}
	ended       chan struct{}

	mu       sync.Mutex
	shown    string // the last line
	note     string // about the builder or the push, until a step runs
	running  map[buildkit.Step]runningStep
	finished map[buildkit.Step]bool // steps that have had their line
	warned   map[string]bool        // warnings that were logged: several nodes may give the same one
}

// runningStep is the state of a step that runs.
type runningStep struct {
	since time.Time
	doing string // what the step does now, if that is known
}

// startProgress starts to show progress. The caller calls stop.
func startProgress(ctx context.Context) *progress {
	pr := &progress{
		log:         loggerOf(context.WithoutCancel(ctx)), // a canceled build shows its last lines too
		interactive: isInteractive(),
		interval:    logInterval,
		done:        make(chan struct{}),
		ended:       make(chan struct{}),
		running:     map[buildkit.Step]runningStep{},
		finished:    map[buildkit.Step]bool{},
		warned:      map[string]bool{},
	}
	if pr.interactive {
		pr.interval = statusInterval
	}
	rescue.Go(func(err error) { pr.log.warnf("the progress of the build is not shown: it %v", err) }, pr.loop)
	return pr
}

func (pr *progress) stop() {
	close(pr.done)
	<-pr.ended
}

func (pr *progress) loop() {
	defer close(pr.ended)
	ticker := time.NewTicker(pr.interval)
	defer ticker.Stop()
	for {
		select {
		case <-pr.done:
			if pr.interactive {
				pr.log.status("")
			}
			return
		case now := <-ticker.C:
			if line, changed := pr.nextLine(now); changed {
				pr.log.status(line)
			}
		}
	}
}

// nextLine returns the status line, and whether it differs from the last one.
func (pr *progress) nextLine(now time.Time) (line string, changed bool) {
	line = pr.statusLine(now)
	pr.mu.Lock()
	defer pr.mu.Unlock()
	changed = line != pr.shown && (line != "" || pr.interactive)
	if changed {
		pr.shown = line
	}
	return line, changed
}

// statusLine returns a line about the step that has run for the longest time, with the number of other running steps.
// The important parts come first, because a terminal cuts the line at the end of its column.
func (pr *progress) statusLine(now time.Time) string {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	var step buildkit.Step
	var longest runningStep
	for s, w := range pr.running {
		if longest.since.IsZero() || w.since.Before(longest.since) {
			step, longest = s, w
		}
	}
	if longest.since.IsZero() {
		return pr.note
	}
	step.Command = cmp.Or(longest.doing, step.Command)
	elapsed := now.Sub(longest.since).Truncate(time.Second).String()
	if others := len(pr.running) - 1; others > 0 {
		elapsed += fmt.Sprintf(" (+%d)", others)
	}
	return stepLine(step, elapsed)
}

// report handles an event of the build. Several nodes may report at the same time.
func (pr *progress) report(e buildkit.Event) {
	if e.Kind == buildkit.Warned {
		if text := warningText(e); pr.isFirstWarning(text) {
			pr.log.warn(text)
		}
		return
	}
	pr.mu.Lock()
	switch w, running := pr.running[e.Step]; {
	case e.Kind == buildkit.Started:
		pr.note = ""
		pr.running[e.Step] = runningStep{since: time.Now()}
	case e.Kind != buildkit.Moved:
		delete(pr.running, e.Step)
	case running:
		pr.running[e.Step] = runningStep{w.since, e.Text}
	}
	again := pr.finished[e.Step] && e.Elapsed < time.Second // a source finishes twice: resolved, fetched
	ends := e.Kind == buildkit.Finished && !pr.interactive && hasLine(e.Step) && !again
	if ends {
		pr.finished[e.Step] = true
	}
	pr.mu.Unlock()
	if ends {
		pr.log.status(finishedLine(e))
	}
}

// isFirstWarning records a warning, and tells whether it was new.
func (pr *progress) isFirstWarning(text string) bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	before := pr.warned[text]
	pr.warned[text] = true
	return !before
}

// showNote shows a line about the builder or the push.
func (pr *progress) showNote(line string) {
	pr.mu.Lock()
	pr.note, pr.shown = line, line
	pr.mu.Unlock()
	pr.log.status(line)
}

// hasLine tells whether a finished step gets a line. BuildKit's own small steps, such as loading the Dockerfile, get
// none, and exportCaches says itself what it wrote.
func hasLine(s buildkit.Step) bool {
	isOutput := strings.HasPrefix(s.Command, "exporting") || strings.HasPrefix(s.Command, "pushing")
	return s.Position != "" || isOutput && !s.WritesCache()
}

func finishedLine(e buildkit.Event) string {
	if e.Cached {
		return stepLine(e.Step, "cached")
	}
	return stepLine(e.Step, fmt.Sprintf("%.1fs", e.Elapsed.Seconds()))
}

// stepLine returns one line about a step: its platform, its position in the stage, a text about its time, its command.
func stepLine(s buildkit.Step, time string) string {
	position := ""
	if s.Position != "" {
		position = "[" + s.Position + "]"
	}
	// The text is cleaned before it is cut, because nobody recognizes a secret in half a token.
	text := foreign.Line(strings.Join([]string{s.Platform, position, time, s.Command}, " "))
	words := []rune(strings.Join(strings.Fields(text), " "))
	if len(words) > statusWidth {
		words = append(words[:statusWidth-1], '…')
	}
	return string(words)
}
