package provider

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// imagesPerCore is how many images build at once for each core of a builder, unless maxParallelBuilds is set.
//
// It is the default of pulumi up --parallel for each core of this machine. Fewer would leave cores idle: steps wait for
// downloads, frontends for the daemon. On two cores, 8 images whose step waits for 2 s took 2.3 times as long with one
// image for each core, and 1.3 times as long with two.
const imagesPerCore = 4

// turns limits how many images build at once. Each builder has a limit of its own, so that more builders build more
// images.
type turns struct {
	given int // maxParallelBuilds; 0: not set

	mu     sync.Mutex
	queues map[string]chan struct{} // by the endpoints of builders; a queue holds one value for each turn that is taken
}

// newTurns returns the turns for a value of maxParallelBuilds. nil is the default.
func newTurns(given *int) *turns {
	return &turns{given: deref(given), queues: map[string]chan struct{}{}}
}

// coresHere returns how many cores this process may use: those of the machine, or fewer by its affinity or cgroup.
func coresHere() int { return runtime.GOMAXPROCS(0) }

// coverPush tells whether a turn lasts until the image is pushed. By default it ends when the push begins, because a
// push needs no core of the builder.
func (t *turns) coverPush() bool { return t != nil && t.given > 0 }

// take waits for a turn on a builder. Images get their turns in the order in which they ask. If the caller has to wait,
// take calls waiting first, with the reason. It returns the cause if ctx ends before. The caller calls end, which may
// be called several times.
func (t *turns) take(ctx context.Context, b builder, waiting func(reason string)) (end func(), err error) {
	limit := t.limitFor(b)
	if limit == 0 {
		return func() {}, nil
	}
	queue := t.queueFor(b.endpoint, limit)
	end = sync.OnceFunc(func() { <-queue })
	select {
	case queue <- struct{}{}:
		return end, nil
	default:
		waiting(t.reason(b, cap(queue)))
	}
	select {
	case queue <- struct{}{}: // a channel serves those who wait in their order
		return end, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// limitFor returns how many images may build at once on a builder; 0 is no limit.
func (t *turns) limitFor(b builder) int {
	if t == nil {
		return 0
	}
	if t.given > 0 {
		return t.given
	}
	return b.cores * imagesPerCore
}

// reason says why an image waits, for people.
func (t *turns) reason(b builder, limit int) string {
	allowed := "as many as maxParallelBuilds allows"
	if t.given == 0 {
		allowed = fmt.Sprintf("%d for each of its cores unless maxParallelBuilds is set", imagesPerCore)
	}
	return fmt.Sprintf("%d images build on %s, %s", limit, b.name(), allowed)
}

// queueFor returns the queue of the builder at an endpoint. It keeps its first limit.
func (t *turns) queueFor(endpoint string, limit int) chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queues[endpoint] == nil {
		t.queues[endpoint] = make(chan struct{}, limit)
	}
	return t.queues[endpoint]
}

// shareTurn returns a function for each part of an image that shares a turn. The last one that is called ends the turn.
// Each may be called several times.
func shareTurn(end func(), parts int) []func() {
	var left atomic.Int64
	left.Store(int64(parts))
	ends := make([]func(), parts)
	for i := range ends {
		ends[i] = sync.OnceFunc(func() {
			if left.Add(-1) == 0 {
				end()
			}
		})
	}
	return ends
}
