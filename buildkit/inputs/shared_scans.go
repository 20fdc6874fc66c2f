package inputs

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
)

// maxSharedScans is how many scans may be shared: those of the contexts and named contexts of the images that are
// checked about the same time.
const maxSharedScans = 8

// SharedScans shares the scan of a build context among images: the same part of the same folder is scanned once, as
// long as nothing in it changes. A nil SharedScans shares nothing.
//
// Another resource of the same run may write into a context between two images. An image that depends on it must be
// hashed and built with what is there by then. So a scan is shared only if the kernel watched every folder of it
// from before it was listed, and reported no change; source.Watch says what that covers. Where nothing can be watched,
// each image scans.
//
// It keeps the scans that were asked for last, at most 8, each with its watch, for as long as it exists itself. What is
// shared is immutable; the bytes that are sent to a daemon are compared with it all the same.
type SharedScans struct {
	mu   sync.Mutex
	kept []*sharedScan // the one that was asked for last at the end
}

// sharedScan is the last scan of one part of one folder.
type sharedScan struct {
	key   string
	users int           // how many hold it: it is not dropped meanwhile
	lock  chan struct{} // full while somebody uses the fields below
	tree  *source.Tree  // nil before the first scan has succeeded
	watch *source.Watch // of the tree
}

// scan records a part of a folder, or returns an earlier record that still holds. It waits while another image scans
// the same part. When ctx ends meanwhile, it returns the cause.
func (s *SharedScans) scan(
	ctx context.Context, files Files, dir string, scope source.Scope, log *slog.Logger,
) (*source.Tree, error) {
	if s == nil {
		return source.Scan(ctx, dir, scope, scanOptions(files, nil))
	}
	key := newSharedKey()
	key.add(localContext{dir: dir}, scope) // under whatever name the images know the folder
	last := s.acquire(key.String())
	defer s.release(last)
	select {
	case last.lock <- struct{}{}:
		defer func() { <-last.lock }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if last.watch.IsUnchanged() {
		log.DebugContext(ctx, "a scan is shared", "folder", dir)
		return last.tree, nil
	}
	log.DebugContext(ctx, "a folder is scanned", "folder", dir, "reason", last.rescanReason())
	return last.rescan(ctx, files, dir, scope)
}

// rescanReason returns why the last scan cannot be shared.
func (l *sharedScan) rescanReason() string {
	if l.tree == nil {
		return "no earlier scan of this part"
	}
	return "something changed, or the folder cannot be watched"
}

// rescan scans the folder again, under a new watch.
func (l *sharedScan) rescan(
	ctx context.Context, files Files, dir string, scope source.Scope,
) (tree *source.Tree, err error) {
	l.watch.Close()
	l.watch = source.NewWatch()
	l.tree, err = source.Scan(ctx, dir, scope, scanOptions(files, l.watch))
	if err != nil {
		l.watch.Close()
	}
	return l.tree, err
}

func scanOptions(files Files, watch *source.Watch) source.Options {
	return source.Options{Cache: source.UserCache(), Watch: watch, Open: files.open, Reserved: files.Reserved}
}

// acquire returns the last scan under a key, or a new one that is still to be made. The caller must release it.
func (s *SharedScans) acquire(key string) *sharedScan {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := &sharedScan{key: key, lock: make(chan struct{}, 1)}
	if i := slices.IndexFunc(s.kept, func(l *sharedScan) bool { return l.key == key }); i >= 0 {
		last = s.kept[i]
		s.kept = slices.Delete(s.kept, i, i+1)
	}
	s.kept = append(s.kept, last)
	last.users++
	return last
}

// release gives a scan back. It drops the scans that were asked for longest ago when there are too many.
func (s *SharedScans) release(last *sharedScan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last.users--
	surplus := len(s.kept) - maxSharedScans
	s.kept = slices.DeleteFunc(s.kept, func(l *sharedScan) bool {
		if surplus <= 0 || l.users > 0 {
			return false
		}
		surplus--
		l.watch.Close()
		return true
	})
}
