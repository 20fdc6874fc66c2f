package provider

import (
	"context"
	"slices"
	"sync"
	"time"
)

// queue orders the parallel writes of one operation to the tags of one repository. It waits for all of them, and then
// lets them through one after the other, by name, so that steps can be repeated.
type queue struct {
	tags []string // that will come, sorted

	mu      sync.Mutex
	arrived int
	done    int
	changed chan struct{} // closed and renewed at every change
}

// newQueue returns a queue for the tags that do not hold the digest yet. The provider does not write the others.
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

// turnLimit is how long a write waits for the others, in case the provider does not send one of them.
const turnLimit = 5 * time.Second

// waitTurn waits for the turn of a tag. The caller calls leave when the write is done.
func (q *queue) waitTurn(ctx context.Context, tag string) (leave func()) {
	ctx, stop := context.WithTimeout(ctx, turnLimit)
	defer stop()
	place := slices.Index(q.tags, tag)
	if place < 0 {
		return func() {}
	}
	q.increment(&q.arrived)
	for {
		q.mu.Lock()
		ready, changed := q.arrived >= len(q.tags) && q.done >= place, q.changed
		q.mu.Unlock()
		if ready {
			return func() { q.increment(&q.done) }
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return func() {}
		}
	}
}

func (q *queue) increment(count *int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*count++
	close(q.changed)
	q.changed = make(chan struct{})
}
