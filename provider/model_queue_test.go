package provider

import (
	"context"
	"slices"
	"sync"
	"time"
)

// trouble hits a run once, at one of its writes: of all to the registry or of those to tags only.
type trouble struct {
	kind kind
	tags bool
	at   int // from 1

	seen int
	hit  bool
}

type kind int

const (
	calm          kind = iota
	refused            // 403
	failed             // 500, and nothing was done
	forgotten          // a success, and nothing was done
	unanswered         // it was done, and the connection broke before the answer
	killed             // the provider's process ends before the write
	killedAfter        // after it was done, before the answer
	canceled           // Ctrl-C before the write
	canceledAfter      // after it was done, before the answer
	severed            // the network is gone before the write, until the run ends
	severedAfter       // after it was done, before the answer
	blip               // not a write: the registry answers the first questions of the provider with 503
	gone               // nobody is there any more to make the write
)

// queue orders the writes of one operation to the tags of one repository by their names: all of them gather, then they are
// done one after the other.
type queue struct {
	tags []string // that will come, sorted

	mu      sync.Mutex
	arrived int
	done    int
	changed chan struct{} // closed and renewed at every change
}

// newQueue is for those tags that do not hold the digest yet: the others are not written.
func newQueue(tags []string, holds func(tag string) string, digest string) *queue {
	q := &queue{changed: make(chan struct{})}
	for _, tag := range tags {
		if holds(tag) != digest {
			q.tags = append(q.tags, tag)
		}
	}
	slices.Sort(q.tags)
	return q
}

// turnLimit is how long a write waits for the others. It is met only when the provider does not send one of them.
const turnLimit = 5 * time.Second

// turn waits until it is the tag's. The caller calls leave when the write is done.
func (q *queue) turn(ctx context.Context, tag string) (leave func()) {
	ctx, stop := context.WithTimeout(ctx, turnLimit)
	defer stop()
	place := slices.Index(q.tags, tag)
	if place < 0 {
		return func() {}
	}
	q.change(&q.arrived)
	for {
		q.mu.Lock()
		ready, changed := q.arrived >= len(q.tags) && q.done >= place, q.changed
		q.mu.Unlock()
		if ready {
			return func() { q.change(&q.done) }
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return func() {}
		}
	}
}

func (q *queue) change(count *int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*count++
	close(q.changed)
	q.changed = make(chan struct{})
}
