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

// waits records what one operation waits for, until its context ends. A wait that ends later was ended by the context,
// so it stays recorded. The methods may be called from any goroutine, and on nil.
type waits struct {
	began time.Time

	mu     sync.Mutex
	ctx    context.Context //nolint:containedctx // of the operation, or of its current part
	stage  string
	open   map[*wait]struct{}
	pushes bool
	ended  time.Time // when ctx was first seen to have ended
}

// wait is something that an operation waits for.
type wait struct {
	doing string // such as "running step [1/2] RUN make"
	since time.Time
	after string // a text to put after the time
}

// newWaits starts to record the waits of the operation of ctx.
func newWaits(ctx context.Context) *waits {
	return &waits{began: time.Now(), ctx: ctx, open: map[*wait]struct{}{}}
}

// newStage starts to record the waits of the operation of ctx, which is in a stage.
func newStage(ctx context.Context, stage string) *waits {
	w := newWaits(ctx)
	w.enter(stage)
	return w
}

// bind watches the context of a part of the operation: when that ends, the operation is stopped. The caller calls
// unbind before it ends that context itself.
func (w *waits) bind(ctx context.Context) (unbind func()) { //nolint:contextcheck // unbind restores the first context
	if w == nil {
		return func() {}
	}
	whole := w.ctx // only the goroutine of the operation calls bind
	w.update(func() { w.ctx = ctx })
	return func() { w.update(func() { w.ctx = whole }) }
}

// enter sets the stage of the operation, such as "moving tags".
func (w *waits) enter(stage string) {
	w.update(func() { w.stage = stage })
}

// notePush notes that a registry may have a part of the image.
func (w *waits) notePush() {
	w.update(func() { w.pushes = true })
}

// begin records a wait. The caller calls end, at least once, when the wait is over.
func (w *waits) begin(doing string) (end func()) {
	return w.beginWait(wait{doing: doing})
}

// beginRegistryWait records a wait of package registry. It is a registry.Watch.
func (w *waits) beginRegistryWait(about registry.Wait) (end func()) {
	return w.beginWait(newRegistryWait(about))
}

func (w *waits) beginWait(one wait) (end func()) {
	one.since = time.Now()
	w.update(func() { w.open[&one] = struct{}{} })
	return func() { w.update(func() { delete(w.open, &one) }) }
}

// update calls change, unless the operation was stopped.
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

// current returns the waits of the operation, in no order, and its stage. If the operation was stopped, they are those
// of that moment.
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

// stopCause returns when and why the operation was stopped. If it was not, it returns the current time and nil.
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

// longestFirst sorts waits, and returns the first few and the number of the others.
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
