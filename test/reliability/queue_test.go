//go:build linux

package reliability

import "sync"

// batch is the cases of one scenario in worlds of one kind. No cases: every case, or a sample of them.
type batch struct {
	kind     kind
	scenario string
	cases    []testCase
}

// part is how many cases of a scenario one worker takes at once. A worker needs seconds to prepare a scenario.
const part = 60

// split returns the batch in parts.
func (b batch) split() (parts []batch) {
	for rest := b.cases; len(rest) > 0; {
		n := min(part, len(rest))
		parts = append(parts, batch{kind: b.kind, scenario: b.scenario, cases: rest[:n]})
		rest = rest[n:]
	}
	return parts
}

// queue holds the batches that no worker has taken.
type queue struct {
	mu      sync.Mutex
	changed *sync.Cond
	batches []batch
	taken   int // batches that a worker has: each may become several
}

func newQueue(batches []batch) *queue {
	q := &queue{batches: batches}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// take returns the first batch and waits for one if a worker may still put some back. ok is false if none is left.
func (q *queue) take() (b batch, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.batches) == 0 && q.taken > 0 {
		q.changed.Wait()
	}
	if len(q.batches) == 0 {
		return batch{}, false
	}
	b, q.batches = q.batches[0], q.batches[1:]
	q.taken++
	return b, true
}

// put puts batches at the front of the queue, so that scenarios are finished one after the other.
func (q *queue) put(batches []batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.batches = append(batches, q.batches...)
	q.changed.Broadcast()
}

// end says that a batch that was taken is finished.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken--
	q.changed.Broadcast()
}
