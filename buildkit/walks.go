package buildkit

import (
	"context"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// Walks shares the records of build contexts among the images of one process: the same part of the same directory is walked
// once, however many images want it, at once or one after the other. Nobody gets a record twice: who asks again, as for the
// update after the preview, asks for what is on disk now. A nil Walks shares nothing.
type Walks struct {
	mu     sync.Mutex
	shared map[string]*walk
}

// walk is one record, or the making of it.
type walk struct {
	users map[string]bool // who has had it
	done  chan struct{}   // closed when tree or err is there
	tree  *source.Tree
	err   error
}

// scan records the part of a directory for a user, or returns the record that was made for another.
func (w *Walks) scan(ctx context.Context, user, key, dir string, scope source.Scope) (*source.Tree, error) {
	options := source.Options{Cache: source.UserCache()}
	if w == nil {
		return source.Scan(ctx, dir, scope, options)
	}
	own, first := w.join(user, key)
	if first {
		own.tree, own.err = source.Scan(ctx, dir, scope, options)
		close(own.done)
		return own.tree, own.err
	}
	select {
	case <-own.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if own.err != nil { // perhaps only the other's context ended
		return source.Scan(ctx, dir, scope, options)
	}
	return own.tree, nil
}

// join is a walk that the user has not had yet, and whether it is the user's to make.
func (w *Walks) join(user, key string) (own *walk, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	own = w.shared[key]
	if own != nil && !own.users[user] {
		own.users[user] = true
		return own, false
	}
	if w.shared == nil {
		w.shared = map[string]*walk{}
	}
	own = &walk{users: map[string]bool{user: true}, done: make(chan struct{})}
	w.shared[key] = own
	return own, true
}
