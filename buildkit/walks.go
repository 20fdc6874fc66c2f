package buildkit

import (
	"context"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Walks shares the walk of a build context among the images that want it at the same time: the same part of the same
// directory is then walked once. A finished walk is not shared. Another resource of the same run may have written into the
// context since, and an image that depends on it must be hashed and built with what is there now; what has not changed
// comes from the cache. A nil Walks shares nothing.
type Walks struct {
	mu      sync.Mutex
	running map[string]*walk
}

// walk is one that is being made.
type walk struct {
	done chan struct{} // closed when tree or err is there
	tree *source.Tree
	err  error
}

// scan records the part of a directory, or waits for the one who is at it.
func (w *Walks) scan(ctx context.Context, key, dir string, scope source.Scope) (*source.Tree, error) {
	options := source.Options{Cache: source.UserCache()}
	if w == nil {
		return source.Scan(ctx, dir, scope, options)
	}
	shared, first := w.join(key)
	if first {
		shared.tree, shared.err = source.Scan(ctx, dir, scope, options)
		w.finish(key, shared)
		return shared.tree, shared.err
	}
	select {
	case <-shared.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if shared.err != nil { // perhaps only the other's context ended
		return source.Scan(ctx, dir, scope, options)
	}
	return shared.tree, nil
}

// join is the walk that runs, or a new one for the caller to make.
func (w *Walks) join(key string) (shared *walk, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if shared = w.running[key]; shared != nil {
		return shared, false
	}
	if w.running == nil {
		w.running = map[string]*walk{}
	}
	w.running[key] = &walk{done: make(chan struct{})}
	return w.running[key], true
}

func (w *Walks) finish(key string, made *walk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.running, key)
	close(made.done)
}
