package provider

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// waits follows what one operation waits for, up to the moment at which its context ends: what ends afterwards was
// ended by that. Its methods may be called from any goroutine, and on nil.
type waits struct {
	began time.Time

	mu     sync.Mutex
	ctx    context.Context //nolint:containedctx // of the operation, or of the part of it that is under way
	stage  string
	open   map[*wait]struct{}
	pushes bool
	ended  time.Time // when it was first seen that ctx had
}

// wait is something that an operation waits for.
type wait struct {
	doing string // such as "running step [1/2] RUN make"
	since time.Time
	after string // said after the time that it took; "" is nothing
}

// newWaits begins to follow the operation of ctx.
func newWaits(ctx context.Context) *waits {
	return &waits{began: time.Now(), ctx: ctx, open: map[*wait]struct{}{}}
}

// newStage begins to follow the operation of ctx, which is at a stage.
func newStage(ctx context.Context, stage string) *waits {
	w := newWaits(ctx)
	w.enter(stage)
	return w
}

// bind follows a part of the operation, which has a context of its own: when that ends, the operation is stopped. The
// caller calls unbind before it ends that context itself.
func (w *waits) bind(ctx context.Context) (unbind func()) { //nolint:contextcheck // the context of the whole is put back
	if w == nil {
		return func() {}
	}
	whole := w.ctx // only the goroutine of the operation binds
	w.update(func() { w.ctx = ctx })
	return func() { w.update(func() { w.ctx = whole }) }
}

// enter names the stage of the operation, such as "moving tags".
func (w *waits) enter(stage string) {
	w.update(func() { w.stage = stage })
}

// notePush notes that a registry may have a part of the image.
func (w *waits) notePush() {
	w.update(func() { w.pushes = true })
}

// begin notes a wait. The caller calls end when it is over, once or more often.
func (w *waits) begin(doing string) (end func()) {
	return w.beginWait(wait{doing: doing})
}

// beginRegistryWait is a registry.Watch.
func (w *waits) beginRegistryWait(about registry.Wait) (end func()) {
	return w.beginWait(newRegistryWait(about))
}

func (w *waits) beginWait(one wait) (end func()) {
	one.since = time.Now()
	w.update(func() { w.open[&one] = struct{}{} })
	return func() { w.update(func() { delete(w.open, &one) }) }
}

// update changes what is known, unless the operation was stopped.
func (w *waits) update(change func()) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ctx.Err() == nil:
		change()
	case w.ended.IsZero():
		w.ended = time.Now()
	}
}

// current returns what the operation waits for, or waited for when it was stopped, in no order.
func (w *waits) current() (all []wait, stage string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.open {
		all = append(all, *one)
	}
	return all, w.stage
}

// hasPushed tells whether a registry may have a part of the image.
func (w *waits) hasPushed() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pushes
}

// stopCause returns why and when the operation was stopped; cause is nil if it was not, and at is now.
func (w *waits) stopCause() (at time.Time, cause error) {
	at = time.Now()
	if w == nil {
		return at, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil && !w.ended.IsZero() {
		at = w.ended
	}
	if deadline, ok := w.ctx.Deadline(); ok && errors.Is(w.ctx.Err(), context.DeadlineExceeded) {
		at = deadline
	}
	return at, context.Cause(w.ctx)
}

// longestFirst sorts waits and returns how many there are beside the first few.
func longestFirst(all []wait) (first []wait, more int) {
	const few = 3
	slices.SortFunc(all, func(a, b wait) int {
		if order := a.since.Compare(b.since); order != 0 {
			return order
		}
		return strings.Compare(a.doing, b.doing)
	})
	first = all[:min(len(all), few)]
	return first, len(all) - len(first)
}
