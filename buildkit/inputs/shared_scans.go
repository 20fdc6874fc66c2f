package inputs

import (
	"context"
	"slices"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// maxSharedScans is how many walks may be shared: the contexts and named contexts of the images that are checked about the same time.
const maxSharedScans = 8

// SharedScans shares the walk of a build context among images: the same part of the same directory is walked once, as long as
// nothing in it changes. Another resource of the same run may write into a context between two images, and an image that
// depends on it must be hashed and built with what is there by then. So a walk is shared only when the kernel, which watched
// every directory of it from before it was listed, has told of no change; source.Watch says what that covers. Where nothing
// can be watched, every image walks.
//
// The walks that were asked for last are kept, at most 8, each with its watch, for as long as the Walks are. What is shared is
// immutable; the bytes that are sent to a daemon are compared with it all the same. A nil Walks shares nothing.
type SharedScans struct {
	mu   sync.Mutex
	kept []*sharedScan // the one that was asked for last at the end
}

// sharedScan is the last one that was made of one part of one directory.
type sharedScan struct {
	key   string
	users int           // who hold it: it is not dropped meanwhile
	lock  chan struct{} // is full while somebody looks at what follows
	tree  *source.Tree
	watch *source.Watch // of the tree
}

// scan records the part of a directory, or returns the record of it that still holds. Who asks while it is being walked waits.
func (w *SharedScans) scan(ctx context.Context, files Files, dir string, scope source.Scope) (*source.Tree, error) {
	if w == nil {
		return source.Scan(ctx, dir, scope, source.Options{Cache: source.UserCache(), Open: files.open, Reserved: files.Reserved})
	}
	key := newSharedKey()
	key.add(localContext{dir: dir}, scope) // under whatever name the images know the directory
	last := w.acquire(key.String())
	defer w.release(last)
	select {
	case last.lock <- struct{}{}:
		defer func() { <-last.lock }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if last.watch.IsUnchanged() {
		return last.tree, nil
	}
	return last.rescan(ctx, files, dir, scope)
}

// rescan walks.
func (l *sharedScan) rescan(ctx context.Context, files Files, dir string, scope source.Scope) (tree *source.Tree, err error) {
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

// acquire is the last walk under a key, or one that is still to be made.
func (w *SharedScans) acquire(key string) *sharedScan {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := &sharedScan{key: key, lock: make(chan struct{}, 1)}
	if i := slices.IndexFunc(w.kept, func(l *sharedScan) bool { return l.key == key }); i >= 0 {
		last = w.kept[i]
		w.kept = slices.Delete(w.kept, i, i+1)
	}
	w.kept = append(w.kept, last)
	last.users++
	return last
}

// release drops the walks that were asked for longest ago when there are too many.
func (w *SharedScans) release(last *sharedScan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last.users--
	surplus := len(w.kept) - maxSharedScans
	w.kept = slices.DeleteFunc(w.kept, func(l *sharedScan) bool {
		if surplus <= 0 || l.users > 0 {
			return false
		}
		surplus--
		l.watch.Close()
		return true
	})
}
