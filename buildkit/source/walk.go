package source

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// walk is one scan in progress.
type walk struct {
	ctx      context.Context //nolint:containedctx // lives as long as the call of Scan
	root     *os.Root
	base     *os.File   // the folder of root
	matchers *sync.Pool // of *matchers
	reserved reservedBelow
	cache    *contextCache
	watch    *Watch
	slots    chan struct{} // one for each goroutine beside the caller's

	patterns int          // of the scope
	judging  atomic.Int64 // nanoseconds that costly patterns have taken

	mu            sync.Mutex
	err           error
	skipped       []string
	reservedFound []string
}

// run walks the root at path and returns the entries in the order in which BuildKit wants them.
func (w *walk) run(path string) ([]entry, error) {
	w.watch.begin(path, w.base)
	top := &folder{path: "."}
	w.visit(top)
	if err := w.failure(); err != nil {
		return nil, err
	}
	w.watch.end()
	w.cache.save(w.ctx)
	slices.Sort(w.skipped)
	slices.Sort(w.reservedFound)
	return top.flatten(make([]entry, 0, top.countEntries())), nil
}

// runTask runs task in a goroutine when a processor is free for it, else at once.
func (w *walk) runTask(group *sync.WaitGroup, task func()) {
	select {
	case w.slots <- struct{}{}:
		rescue.GoGroup(group, w.fail, func() {
			defer func() { <-w.slots }()
			task()
		})
	default:
		task()
	}
}

// fail keeps the first error and ends the walk.
func (w *walk) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// failure returns the first error, or the reason why ctx ended.
func (w *walk) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && w.ctx.Err() != nil {
		w.err = context.Cause(w.ctx)
	}
	return w.err
}

// addSkipped notes an entry that BuildKit cannot send.
func (w *walk) addSkipped(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skipped = append(w.skipped, name)
}

// addReserved notes a reserved entry, unless it is this provider's own.
func (w *walk) addReserved(name string, own bool) {
	if own {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reservedFound = append(w.reservedFound, name)
}

// judge decides about a child of a folder. It returns a *patternsError when the patterns have taken too long.
func (w *walk) judge(m *matchers, name string, isFolder bool, parent verdict) (verdict, error) {
	if !m.costly {
		return m.judge(name, isFolder, parent)
	}
	started := time.Now()
	v, err := m.judge(name, isFolder, parent)
	if spent := time.Duration(w.judging.Add(int64(time.Since(started)))); err == nil && spent > judgeLimit {
		err = &patternsError{dir: w.root.Name(), patterns: w.patterns, limit: judgeLimit}
	}
	return v, err
}

// leadsToReserved tells whether a folder is on the way to a reserved path that no pattern leaves out.
func (w *walk) leadsToReserved(f *folder) bool {
	if !w.reserved.parents[f.path] {
		return false
	}
	m := w.matchers.Get().(*matchers)
	defer w.matchers.Put(m)
	for _, name := range w.reserved.all {
		if rest, ok := strings.CutPrefix(name, f.path+"/"); ok && m.mayTakeBelow(f, rest) {
			return true
		}
	}
	return false
}

// hashContent records the content of a file. It takes the digest from the cache if nothing about the file has changed.
func (w *walk) hashContent(dir *os.File, name string, info fileInfo, e *entry, cache *folderCache) error {
	e.size = info.size
	if !cache.recall(name, info, e) {
		started := time.Now()
		sum, err := hashFile(w.ctx, dir, name, e.path, info)
		if err != nil {
			return err
		}
		e.sum = sum
		cache.learn(name, info, e, started)
	}
	e.mtime = contentTime(time.Unix(info.mtime, 0), e.sum)
	return nil
}
