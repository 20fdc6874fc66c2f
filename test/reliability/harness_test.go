//go:build linux

package reliability

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// harness runs batches of cases and collects their results.
type harness struct {
	t        *testing.T
	programs string
	log      *os.File // of finished cases; nil: they are not kept

	mu      sync.Mutex
	tallies map[kind]*tally
}

// tally counts the cases of a kind of world.
type tally struct {
	finished int // by an earlier run
	count    int // of this run
	missed   int // there was nothing for the fault to meet
	survived int // the command succeeded in spite of the fault
	broke    int // a promise is broken, or the harness failed
}

// work runs the batches on as many workers as the flag says. Each worker has its own worlds.
func (h *harness) work(batches []batch) {
	queue := make(chan batch)
	var running sync.WaitGroup
	for range *workers {
		running.Go(func() {
			worlds := map[kind]*world{}
			for b := range queue {
				h.runBatch(worlds, b)
			}
			for _, w := range worlds {
				if err := w.close(); err != nil {
					h.t.Error(err)
				}
			}
		})
	}
	for _, b := range batches {
		queue <- b
	}
	close(queue)
	running.Wait()
}

// runBatch runs the cases of a batch in a world of the worker.
func (h *harness) runBatch(worlds map[kind]*world, b batch) {
	ctx := context.WithoutCancel(h.t.Context())
	s, err := scenarioNamed(b.scenario)
	if err == nil && worlds[b.kind] == nil {
		var fresh *world
		if fresh, err = newWorld(ctx, b.kind, h.programs, "../../.cache/fixtures"); err == nil {
			worlds[b.kind] = fresh
		}
	}
	w := worlds[b.kind]
	if err == nil {
		err = w.ready(ctx, s)
	}
	if err != nil {
		h.t.Errorf("%s %s: the harness failed: %v", b.kind, b.scenario, err)
		return
	}
	if b.cases == nil {
		b.cases = h.casesOf(w, s)
	}
	for _, c := range b.cases {
		began := time.Now()
		r, err := w.meet(ctx, s, c)
		r.took = time.Since(began)
		h.report(w, c, r, err)
	}
}

// casesOf returns the cases of a scenario in a world: all that are not finished, or a sample.
func (h *harness) casesOf(w *world, s scenario) (cases []testCase) {
	wanted, done := regexp.MustCompile(*only), readFinished(h.t)
	point := w.kind.pointOf()
	events := w.snapshots[s.name].quiet[point]
	for i := range events {
		for _, fault := range w.faultsAt(s, i) {
			c := testCase{scenario: s.name, point: point, at: i + 1, fault: fault}
			if wanted.MatchString(c.String()) {
				cases = append(cases, c)
			}
		}
	}
	h.t.Logf("%s, %s: %d events at the %s, %d cases", w.kind, s.name, len(events), point, len(cases))
	if *list {
		h.t.Log(strings.Join(events, "\n"))
	}
	all := len(cases)
	cases = slices.DeleteFunc(cases, func(c testCase) bool { return done[c.String()] })
	h.leaveOut(w.kind, all-len(cases))
	if !*whole {
		random := rand.New(rand.NewPCG(*seed, 0))
		random.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
		cases = cases[:min(sampled[w.kind].cases, len(cases))]
	}
	return cases
}

// tallyOf returns the tally of a kind.
func (h *harness) tallyOf(k kind) *tally {
	if h.tallies[k] == nil {
		h.tallies[k] = &tally{}
	}
	return h.tallies[k]
}

// leaveOut counts cases of a kind that an earlier run has finished.
func (h *harness) leaveOut(k kind, cases int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tallyOf(k).finished += cases
}

// report counts the result of a case, and reports a violation. It logs the case as finished unless there is a violation
// or the fault met nothing.
func (h *harness) report(w *world, c testCase, r result, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.tallyOf(w.kind)
	n.count++
	switch {
	case err != nil:
		n.broke++
		h.t.Errorf("%s: the harness failed: %v", c, err)
		return
	case len(r.broken) > 0:
		n.broke++
		h.t.Errorf("%s, at %s, number %d of %d: %s\nRun it again with -replay %q", c.scenario, r.hit, c.at,
			len(w.snapshots[c.scenario].quiet[c.point]), strings.Join(r.broken, "\n  "), c.String())
		return
	case r.hit == "": // it is not finished: the next run tries it again
		n.missed++
		h.t.Logf("%s: there was nothing for it to meet", c)
		return
	case r.survived:
		n.survived++
	}
	if h.log != nil {
		_, _ = fmt.Fprintf(h.log, "%s\t%s\t%s\n", c, r.took.Round(time.Millisecond), r.outcome())
	}
}

// summarize logs the tallies. It fails the test if more than one case of a kind, and more than a tenth of all that ran
// now and before, met nothing: such a run shows less than it seems to.
func (h *harness) summarize() {
	for _, k := range kinds {
		n := h.tallyOf(k)
		h.t.Logf("%s: %d cases, %d violations; in %d the command survived the fault, in %d there was nothing for it "+
			"to meet; %d cases were finished before", k, n.count, n.broke, n.survived, n.missed, n.finished)
		if most := max(1, (n.finished+n.count)/10); n.missed > most {
			h.t.Errorf("%s: in %d cases there was nothing for the fault to meet, want %d at most", k, n.missed, most)
		}
	}
}
