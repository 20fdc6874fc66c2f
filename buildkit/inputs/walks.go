package inputs

import (
	"context"
	"slices"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// keptWalks is how many walks may be shared: the contexts and named contexts of the images that are checked about the same time.
const keptWalks = 8

// Walks shares the walk of a build context among images: the same part of the same directory is walked once, as long as
// nothing in it changes. Another resource of the same run may write into a context between two images, and an image that
// depends on it must be hashed and built with what is there by then. So a walk is shared only when the kernel, which watched
// every directory of it from before it was listed, has told of no change; source.Watch says what that covers. Where nothing
// can be watched, every image walks.
//
// The walks that were asked for last are kept, at most 8, each with its watch, for as long as the Walks are. What is shared is
// immutable; the bytes that are sent to a daemon are compared with it all the same. A nil Walks shares nothing.
type Walks struct {
	mu   sync.Mutex
	kept []*walk // the one that was asked for last at the end
}

// walk is the last one that was made of one part of one directory.
type walk struct {
	key   string
	users int           // who hold it: it is not dropped meanwhile
	turn  chan struct{} // is full while somebody looks at what follows
	tree  *source.Tree
	watch *source.Watch // of the tree
}

// scan records the part of a directory, or returns the record of it that still holds. Who asks while it is being walked waits.
func (w *Walks) scan(ctx context.Context, files Files, dir string, scope source.Scope) (*source.Tree, error) {
	if w == nil {
		return source.Scan(ctx, dir, scope, source.Options{Cache: source.UserCache(), Open: files.open, Reserved: files.Reserved})
	}
	key := newKey()
	key.add(localContext{dir: dir}, scope) // under whatever name the images know the directory
	last := w.take(key.String())
	defer w.leave(last)
	select {
	case last.turn <- struct{}{}:
		defer func() { <-last.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if last.watch.Unchanged() {
		return last.tree, nil
	}
	return last.again(ctx, files, dir, scope)
}

// again walks.
func (l *walk) again(ctx context.Context, files Files, dir string, scope source.Scope) (tree *source.Tree, err error) {
	l.watch.Close()
	l.watch = source.NewWatch()
	l.tree, err = source.Scan(ctx, dir, scope, source.Options{
		Cache: source.UserCache(), Watch: l.watch, Open: files.open, Reserved: files.Reserved,
	})
	if err != nil {
		l.watch.Close()
	}
	return l.tree, err
}

// take is the last walk under a key, or one that is still to be made.
func (w *Walks) take(key string) *walk {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := &walk{key: key, turn: make(chan struct{}, 1)}
	if i := slices.IndexFunc(w.kept, func(l *walk) bool { return l.key == key }); i >= 0 {
		last = w.kept[i]
		w.kept = slices.Delete(w.kept, i, i+1)
	}
	w.kept = append(w.kept, last)
	last.users++
	return last
}

// leave drops the walks that were asked for longest ago when there are too many.
func (w *Walks) leave(last *walk) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last.users--
	surplus := len(w.kept) - keptWalks
	w.kept = slices.DeleteFunc(w.kept, func(l *walk) bool {
		if surplus <= 0 || l.users > 0 {
			return false
		}
		surplus--
		l.watch.Close()
		return true
	})
}
