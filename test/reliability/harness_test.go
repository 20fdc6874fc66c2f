//go:build linux

package reliability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// harness runs batches of cases and collects their results.
type harness struct {
	t        testing.TB
	programs string
	log      *os.File  // of finished cases; nil: they are not kept
	end      time.Time // after which no case begins; zero: never

	mu      sync.Mutex
	tallies map[batchName]*tally
}

// tries is how often a case is tried if the harness fails, or if the fault meets nothing.
const tries = 3

// caseLimit is how long a case may take, with all its waits.
const caseLimit = 5 * time.Minute

// work runs the batches on as many workers as the flag says. Each worker has its own worlds.
func (h *harness) work(batches []batch) {
	q := newQueue(batches)
	var running sync.WaitGroup
	for range *workers {
		running.Go(func() {
			w := &worker{harness: h, worlds: map[kind]*world{}}
			for b, ok := q.take(); ok; b, ok = q.take() {
				switch {
				case h.isOver():
					h.noteUnbegun(b)
				case b.cases == nil:
					q.put(w.expand(b).split())
				default:
					w.runBatch(b)
				}
				q.end()
			}
			for k := range w.worlds {
				w.drop(k)
			}
		})
	}
	running.Wait()
}

// worker runs one case at a time.
type worker struct {
	*harness
	worlds map[kind]*world
}

// expand returns the batch with its cases: all that are not finished, or a sample.
func (w *worker) expand(b batch) batch {
	s, err := scenarioNamed(b.scenario)
	if err == nil {
		err = w.try(b.batchName(), func(ctx context.Context) error {
			ready, err := w.world(ctx, b.kind, s)
			if err == nil {
				b.cases = w.casesOf(ready, s)
			}
			return err
		})
	}
	if err != nil {
		w.reportFailure(b.batchName(), fmt.Errorf("no case ran: %w", err))
	}
	return b
}

// runBatch runs the cases of a batch.
func (w *worker) runBatch(b batch) {
	s, err := scenarioNamed(b.scenario)
	if err != nil {
		w.t.Error(err)
		return
	}
	for _, c := range b.cases {
		if w.isOver() {
			w.noteUnbegun(b)
			return
		}
		var r result
		err := w.try(b.batchName(), func(ctx context.Context) error {
			ready, err := w.world(ctx, b.kind, s)
			if err != nil {
				return err
			}
			began := time.Now()
			for range tries {
				if r, err = ready.meet(ctx, s, c); err != nil || r.hit != "" || len(r.broken) > 0 {
					break
				}
			}
			r.took = time.Since(began)
			return err
		})
		w.report(b.batchName(), c, r, err)
	}
}

// isOver tells whether no case begins any more.
func (h *harness) isOver() bool { return !h.end.IsZero() && time.Now().After(h.end) }

// try calls f for a batch until it succeeds, as often as tries says. After each failure, which try notes, the worker
// gets a new world of the kind.
func (w *worker) try(name batchName, f func(context.Context) error) (err error) {
	for range tries {
		var failed error
		if failed = callWithin(caseLimit, f); failed == nil {
			return nil
		}
		w.noteFailure(name, failed)
		err = errors.Join(err, failed)
		w.drop(name.kind)
	}
	return err
}

// callWithin calls f with a context that ends after the limit. A panic becomes an error.
func callWithin(limit time.Duration, f func(context.Context) error) (err error) {
	ctx, stop := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("it took longer than %s", limit))
	defer stop()
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	return f(ctx)
}

// world returns a world of the worker in which the scenario is ready. Its worlds of other kinds end, so that what the
// harness takes of memory and disk is bounded.
func (w *worker) world(ctx context.Context, k kind, s scenario) (*world, error) {
	for _, other := range kinds {
		if other != k {
			w.drop(other)
		}
	}
	if w.worlds[k] == nil {
		fresh, err := newWorld(ctx, k, w.programs, "../../.cache/fixtures")
		if err != nil {
			return nil, err
		}
		w.worlds[k] = fresh
	}
	return w.worlds[k], w.worlds[k].ready(ctx, s)
}

// drop ends the world of a kind.
func (w *worker) drop(k kind) {
	if w.worlds[k] == nil {
		return
	}
	if err := w.worlds[k].close(); err != nil {
		w.t.Errorf("the end of a world of %s: %v", k, err)
	}
	delete(w.worlds, k)
}

// casesOf returns the cases of a scenario in a world: all that are not finished, or a sample.
func (h *harness) casesOf(w *world, s scenario) (cases []testCase) {
	wanted, done := regexp.MustCompile(*only), readFinished(h.t)
	point := w.kind.pointOf()
	events := w.snapshots[s.name].quiet[point]
	for i := w.kind.firstEvent(s, events); i < len(events); i++ {
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
	h.noteCases(batchName{w.kind, s.name}, len(events), all, all-len(cases))
	if !*whole {
		random := rand.New(rand.NewPCG(*seed, 0))
		random.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
		cases = cases[:min(sampled[w.kind].cases, len(cases))]
	}
	return cases
}
