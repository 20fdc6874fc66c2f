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

// How often the status line of a terminal is brought up to date, and how often a log, as that of CI, gets a line about a step that takes
// long. Each line is a call to the engine.
const (
	statusInterval = 500 * time.Millisecond
	logInterval    = 30 * time.Second
)

// statusWidth bounds a status line, in characters; the engine has columns of its own to show.
const statusWidth = 100

// progress shows a person what a build does: at a terminal one status line with the running step and its time, elsewhere
// one line for each finished step, and for those that take long.
type progress struct {
	log         logger
	interactive bool
	interval    time.Duration
	done        chan struct{}
	ended       chan struct{}

	mu      sync.Mutex
	shown   string // last
	note   string // about the builder or the push, until a step runs
	running map[buildkit.Step]runningStep
	finished    map[buildkit.Step]bool // that have had their line
}

// runningStep is a step that runs.
type runningStep struct {
	since time.Time
	at    string // what it is doing, if that is known
}

// startProgress begins to show; stop ends it.
func startProgress(ctx context.Context) *progress {
	pr := &progress{
		log:         loggerOf(context.WithoutCancel(ctx)), // the last words of a canceled build are shown too
		interactive: isInteractive(),
		interval:    logInterval,
		done:        make(chan struct{}),
		ended:       make(chan struct{}),
		running:     map[buildkit.Step]runningStep{},
		finished:        map[buildkit.Step]bool{},
	}
	if pr.interactive {
		pr.interval = statusInterval
	}
	rescue.Go(func(err error) { pr.log.warningf("the progress of the build is not shown: it %v", err) }, pr.loop)
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
			if line, ok := pr.nextLine(now); ok {
				pr.log.status(line)
			}
		}
	}
}

// nextLine is the status, unless it is the line that was shown last.
func (pr *progress) nextLine(now time.Time) (line string, ok bool) {
	line = pr.statusLine(now)
	pr.mu.Lock()
	defer pr.mu.Unlock()
	ok = line != pr.shown && (line != "" || pr.interactive)
	if ok {
		pr.shown = line
	}
	return line, ok
}

// statusLine is the step that runs for the longest time, and how many others do. What changes and what matters come first: a
// terminal cuts the line off where its column ends.
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
	step.Command = cmp.Or(longest.at, step.Command)
	elapsed := now.Sub(longest.since).Truncate(time.Second).String()
	if others := len(pr.running) - 1; others > 0 {
		elapsed += fmt.Sprintf(" (+%d)", others)
	}
	return stepLine(step, elapsed)
}

// report takes an event of the build.
func (pr *progress) report(e buildkit.Event) {
	if e.Kind == buildkit.Warned {
		pr.log.warning(warningText(e))
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
	again := pr.finished[e.Step] && e.Elapsed < time.Second // a source that was looked up and then fetched at once
	pr.mu.Unlock()
	if e.Kind == buildkit.Finished && !pr.interactive && hasLine(e.Step) && !again {
		pr.finished[e.Step] = true // only this goroutine writes it
		pr.log.status(finishedLine(e))
	}
}

// showNote shows a line about the builder itself.
func (pr *progress) showNote(line string) {
	pr.mu.Lock()
	pr.note, pr.shown = line, line
	pr.mu.Unlock()
	pr.log.status(line)
}

// hasLine leaves out BuildKit's own small steps, such as loading the Dockerfile.
func hasLine(s buildkit.Step) bool {
	return s.Position != "" || strings.HasPrefix(s.Command, "exporting") || strings.HasPrefix(s.Command, "pushing")
}

func finishedLine(e buildkit.Event) string {
	if e.Cached {
		return stepLine(e.Step, "cached")
	}
	return stepLine(e.Step, fmt.Sprintf("%.1fs", e.Elapsed.Seconds()))
}

// stepLine is one line about a step: its platform, its place in the stage, a word on its time, its command.
func stepLine(s buildkit.Step, time string) string {
	position := ""
	if s.Position != "" {
		position = "[" + s.Position + "]"
	}
	text := foreign.Line(strings.Join([]string{s.Platform, position, time, s.Command}, " ")) // first: half a token is not known as one
	words := []rune(strings.Join(strings.Fields(text), " "))
	if len(words) > statusWidth {
		words = append(words[:statusWidth-1], '…')
	}
	return string(words)
}
