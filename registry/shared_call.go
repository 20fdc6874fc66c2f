package registry

import (
	"context"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// sharedCall is one call at a time for all who want its value. Unlike a singleflight.Group it stops the call when
// nobody waits for it any more.
type sharedCall[T any] struct {
	mu      sync.Mutex
	current *runningCall[T]
}

// runningCall is a call that is under way.
type runningCall[T any] struct {
	waiters int
	stop    context.CancelCauseFunc
	done    chan struct{} // closed when value and err are set
	value   T
	err     error
}

// do joins the call that is under way, or begins one, and returns its value and error. When ctx ends first, it returns
// the cause; if nobody else waits, it stops the call and returns what the call returns then.
func (s *sharedCall[T]) do(ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	running := s.join(ctx, call)
	select {
	case <-running.done:
		return running.value, running.err
	case <-ctx.Done():
	}
	if s.leave(ctx, running) {
		<-running.done
		return running.value, running.err
	}
	var none T
	return none, context.Cause(ctx)
}

// join returns the call that is under way, or the one that it begins.
func (s *sharedCall[T]) join(ctx context.Context, call func(context.Context) (T, error)) *runningCall[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.waiters++
		return s.current
	}
	own, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	running := &runningCall[T]{waiters: 1, stop: stop, done: make(chan struct{})}
	s.current = running
	rescue.Go(func(err error) { s.finish(running, running.value, err) }, func() {
		value, err := call(own)
		s.finish(running, value, err)
	})
	return running
}

// leave stops a call for which nobody waits any longer, and reports whether it did.
func (s *sharedCall[T]) leave(ctx context.Context, running *runningCall[T]) (stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if running.waiters--; running.waiters > 0 {
		return false
	}
	if s.current == running { // who comes now begins another one
		s.current = nil
	}
	running.stop(context.Cause(ctx))
	return true
}

// finish ends a call with its value and error.
func (s *sharedCall[T]) finish(running *runningCall[T], value T, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == running {
		s.current = nil
	}
	running.value, running.err = value, err
	running.stop(nil)
	close(running.done)
}
