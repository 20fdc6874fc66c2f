//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/faults"
)

// testCase is one scenario with one fault at one event.
type testCase struct {
	scenario string
	point    string // registry, daemon or files
	at       int    // from 1
	fault    string
}

// String returns the line that replays the case.
func (c testCase) String() string {
	return fmt.Sprintf("%s %s %d %s", c.scenario, c.point, c.at, c.fault)
}

// parseCase reverses String.
func parseCase(line string) (c testCase, err error) {
	words := strings.SplitN(strings.TrimSpace(line), " ", 4)
	if len(words) != 4 {
		return c, fmt.Errorf("%q: want SCENARIO POINT NUMBER FAULT", line)
	}
	c = testCase{scenario: words[0], point: words[1], fault: words[3]}
	if _, err := fmt.Sscan(words[2], &c.at); err != nil {
		return c, fmt.Errorf("%q: %q is no number", line, words[2])
	}
	return c, nil
}

// scenarioNamed returns a scenario.
func scenarioNamed(name string) (scenario, error) {
	for _, s := range scenarios {
		if s.name == name {
			return s, nil
		}
	}
	return scenario{}, fmt.Errorf("no scenario is called %q", name)
}

// point is where faults happen.
type point interface {
	Arm(i int, fault string)
	Reset()
	Count() int
	Events() []string
	Hit() string
}

// ready makes the snapshot of the scenario, if there is none, and counts the events of an undisturbed run.
func (w *world) ready(ctx context.Context, s scenario) error {
	if held := w.snapshots[s.name]; held != nil && held.quiet != nil {
		return nil
	}
	if err := w.restore(""); err != nil {
		return err
	}
	for _, earlier := range s.before {
		program, _, err := w.prepare(ctx, earlier)
		if err != nil {
			return err
		}
		out, err := w.run(ctx, earlier.command, program)
		if err != nil {
			return fmt.Errorf("%s: before the last command: %w", s.name, err)
		}
		if out.err != nil {
			return &quietError{scenario: s.name, broken: []string{"it fails before the last command: " + describe(out)}}
		}
	}
	before, err := w.tags(ctx)
	if err == nil {
		err = w.point.awaitIdle(ctx, 0)
	}
	if err != nil {
		return err
	}
	if err := w.save(s.name); err != nil {
		return err
	}
	w.snapshots[s.name].before = before
	if err = w.runQuiet(ctx, s); err == nil && len(s.before) == 0 { // the daemon has the images of all contents now
		err = w.runQuiet(ctx, s)
	}
	if err != nil {
		return errors.Join(err, w.forget(s.name))
	}
	return nil
}

// runQuiet runs the last command of the scenario without a fault and notes the events of each point.
func (w *world) runQuiet(ctx context.Context, s scenario) error {
	r, err := w.meet(ctx, s, testCase{scenario: s.name})
	if err != nil {
		return fmt.Errorf("%s, without a fault: %w", s.name, err)
	}
	if len(r.broken) > 0 {
		return &quietError{scenario: s.name, broken: r.broken}
	}
	return nil
}

// quietError is a scenario that breaks promises without a fault. It is no failure of the harness.
type quietError struct {
	scenario string
	broken   []string
}

// Error lists the broken promises.
func (e *quietError) Error() string {
	return e.scenario + ", without a fault: " + strings.Join(e.broken, "\n  ")
}

// result is what happened in a case.
type result struct {
	hit      string
	survived bool // the command succeeded in spite of the fault
	broken   []string
	took     time.Duration
}

// outcome returns the result in words.
func (r result) outcome() string {
	switch {
	case r.survived:
		return "survived at " + r.hit
	}
	return "failed at " + r.hit
}

// meet runs the last command of a scenario with the fault of the case, and then once more without one. It judges both.
// The error is one of the harness.
func (w *world) meet(ctx context.Context, s scenario, c testCase) (r result, err error) {
	if err := w.restore(s.name); err != nil {
		return r, err
	}
	program, last, err := w.prepare(ctx, s.last)
	if err != nil {
		return r, err
	}
	j := &judge{ctx: ctx, world: w, step: last, old: w.snapshots[s.name], fault: c.fault}
	for name, p := range w.points() {
		if p.Reset(); name == c.point {
			p.Arm(c.at, c.fault)
		}
	}
	first, err := w.run(ctx, last.command, program)
	if err != nil {
		return r, err
	}
	if p := w.points()[c.point]; p != nil {
		r.hit = p.Hit()
		if r.hit == "" && first.err != nil {
			j.violate("harness", "the command failed without a fault: %v", first.err)
		}
	} else {
		w.note(s)
	}
	j.hit = r.hit
	first.killed = first.killed || r.hit != "" && strings.HasPrefix(c.fault, faults.Kill) && c.point == "files"
	r.survived = first.err == nil
	w.awaitEnd(j, first)
	j.afterFault(first)
	for _, p := range w.points() {
		p.Reset()
	}
	w.ageLeftovers()
	held := w.blobs()
	w.patient = true
	second, err := w.run(ctx, last.command, program)
	w.patient = false
	if err != nil {
		return r, err
	}
	j.afterRepeat(first, second, held)
	r.broken = j.broken
	if len(j.broken) > 0 {
		r.broken = append(r.broken, "the command with the fault: "+describe(first), "the next one: "+describe(second))
	}
	return r, nil
}

// calmAfterFailure is how long there must be no request after a command that failed, before the next one begins. The
// daemon may be about to send a request for a solve that it ends.
const calmAfterFailure = 200 * time.Millisecond

// awaitEnd waits until the daemon sends no more requests after a command.
func (w *world) awaitEnd(j *judge, out outcome) {
	calm := time.Duration(0)
	if out.killed || out.err != nil {
		calm = calmAfterFailure
	}
	if err := w.point.awaitIdle(j.ctx, calm); err != nil {
		j.violate("a wait has an end", "the daemon still sends requests: %v", err)
	}
	j.earlier = w.point.requests()
}

// note keeps the events of a quiet run.
func (w *world) note(s scenario) {
	quiet := map[string][]string{}
	for name, p := range w.points() {
		quiet[name] = p.Events()
	}
	w.snapshots[s.name].quiet, w.snapshots[s.name].requests = quiet, w.point.requests()
}

// describe returns what a command said.
func describe(out outcome) string {
	text := "it succeeded"
	if out.err != nil {
		text = "it failed: " + out.err.Error()
	}
	if out.killed {
		text += " (killed)"
	}
	for line := range strings.Lines(out.log) {
		if !strings.HasPrefix(line, "DEBUG ") && strings.TrimSpace(line) != "" {
			text += "\n" + strings.TrimSpace(line)
		}
	}
	return strings.ReplaceAll(text, "\n", "\n    ")
}
