package provider

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// statusInterval is how often the status line of a terminal is brought up to date. Each line is a call to the engine.
const statusInterval = 500 * time.Millisecond

// statusWidth bounds a status line, in characters; the engine has columns of its own to show.
const statusWidth = 100

// progress shows a person what a build does: at a terminal one status line with the running step and its time, elsewhere
// one line for each finished step.
type progress struct {
	log         p.Logger
	interactive bool
	done        chan struct{}
	ended       chan struct{}

	mu      sync.Mutex
	running map[buildkit.Step]time.Time
	told    map[buildkit.Step]bool // that have had their line
}

// startProgress begins to show; stop ends it.
func startProgress(ctx context.Context) *progress {
	pr := &progress{
		log:         p.GetLogger(context.WithoutCancel(ctx)), // the last words of a canceled build are shown too
		interactive: atTerminal(),
		done:        make(chan struct{}),
		ended:       make(chan struct{}),
		running:     map[buildkit.Step]time.Time{},
		told:        map[buildkit.Step]bool{},
	}
	go pr.tick()
	return pr
}

func (pr *progress) stop() {
	close(pr.done)
	<-pr.ended
}

func (pr *progress) tick() {
	defer close(pr.ended)
	if !pr.interactive {
		return
	}
	ticker := time.NewTicker(statusInterval)
	defer ticker.Stop()
	shown := ""
	for {
		select {
		case <-pr.done:
			pr.log.InfoStatus("")
			return
		case now := <-ticker.C:
			if line := pr.status(now); line != shown {
				pr.log.InfoStatus(line)
				shown = line
			}
		}
	}
}

// status is the step that runs for the longest time, and how many others do. What changes and what matters come first: a
// terminal cuts the line off where its column ends.
func (pr *progress) status(now time.Time) string {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	var step buildkit.Step
	var since time.Time
	for s, t := range pr.running {
		if since.IsZero() || t.Before(since) {
			step, since = s, t
		}
	}
	if since.IsZero() {
		return ""
	}
	elapsed := now.Sub(since).Truncate(time.Second).String()
	if others := len(pr.running) - 1; others > 0 {
		elapsed += fmt.Sprintf(" (+%d)", others)
	}
	return line(step, elapsed)
}

// report takes an event of the build.
func (pr *progress) report(e buildkit.Event) {
	if e.Kind == buildkit.Warned {
		pr.log.Warning(e.Text)
		return
	}
	pr.mu.Lock()
	if e.Kind == buildkit.Started {
		pr.running[e.Step] = time.Now()
	} else {
		delete(pr.running, e.Step)
	}
	again := pr.told[e.Step] && e.Elapsed < time.Second // a source that was looked up and then fetched at once
	pr.mu.Unlock()
	if e.Kind == buildkit.Finished && !pr.interactive && worthALine(e.Step) && !again {
		pr.told[e.Step] = true // only this goroutine writes it
		pr.log.InfoStatus(finished(e))
	}
}

// note shows a line about the builder itself.
func (pr *progress) note(line string) { pr.log.InfoStatus(line) }

// worthALine leaves out BuildKit's own small steps, such as loading the Dockerfile.
func worthALine(s buildkit.Step) bool {
	return s.Position != "" || strings.HasPrefix(s.Command, "exporting") || strings.HasPrefix(s.Command, "pushing")
}

func finished(e buildkit.Event) string {
	if e.Cached {
		return line(e.Step, "cached")
	}
	return line(e.Step, fmt.Sprintf("%.1fs", e.Elapsed.Seconds()))
}

// line is one line about a step: its platform, its place in the stage, a word on its time, its command.
func line(s buildkit.Step, time string) string {
	position := ""
	if s.Position != "" {
		position = "[" + s.Position + "]"
	}
	words := []rune(strings.Join(strings.Fields(strings.Join([]string{s.Platform, position, time, s.Command}, " ")), " "))
	if len(words) > statusWidth {
		words = append(words[:statusWidth-1], '…')
	}
	return string(words)
}
