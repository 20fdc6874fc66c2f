package source

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Options of a scan.
type Options struct {
	// Cache remembers the digests of files that have not changed since they were read; nil reads every file.
	Cache *Cache
	// Watch can tell afterwards whether the tree is still what is there; nil watches nothing.
	Watch *Watch
	// Open opens the directory, for the scan and for each transfer of the tree; nil is os.OpenRoot.
	Open func(dir string) (*os.Root, error)
	// Reserved are left out.
	Reserved []Reserved
}

// Scan records the part of dir that scope takes: exactly what BuildKit would ask for. Directories are listed and files read
// side by side. Links are recorded, never followed, and nothing outside dir is read.
//
// Errors name the path. A file that cannot be read is an error, not an empty file. It is a *ReservedError for a dir that is
// reserved, or lies in one that is.
func Scan(ctx context.Context, dir string, scope Scope, o Options) (*Tree, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if o.Open == nil {
		o.Open = os.OpenRoot
	}
	root, err := o.Open(abs)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	base, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.Close() }()
	pool, err := scope.pool()
	if err != nil {
		return nil, err
	}
	reserved, err := findReserved(root.Name(), o.Reserved)
	if err != nil {
		return nil, err
	}
	remembered := o.Cache.open(abs)
	w := &walk{
		ctx: ctx, root: root, base: base, matchers: pool, reserved: reserved, remembered: remembered, watch: o.Watch,
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)-1),
	}
	w.patterns = len(scope.Includes) + len(scope.Excludes)
	w.watch.begin(abs, base)
	top := &folder{path: "."}
	w.visit(top)
	if err := w.failure(); err != nil {
		return nil, err
	}
	w.watch.end()
	remembered.save(ctx)
	slices.Sort(w.skipped)
	slices.Sort(w.reservedFound)
	entries := top.flatten(make([]entry, 0, top.countEntries()))
	return &Tree{root: abs, open: o.Open, entries: entries, skipped: w.skipped, reservedPaths: w.reservedFound}, nil
}

// walk is one scan in progress.
type walk struct {
	ctx        context.Context //nolint:containedctx // lives as long as the call of Scan
	root       *os.Root
	base       *os.File   // its directory
	matchers   *sync.Pool // of *matchers
	reserved   reservedBelow
	remembered *contextCache
	watch      *Watch
	slots      chan struct{} // one for each goroutine beside the caller's

	patterns int          // of the scope
	judging  atomic.Int64 // nanoseconds that costly patterns have taken

	mu      sync.Mutex
	err     error
	skipped []string
	reservedFound []string
}

// folder is one directory: what was found in it, in order, with the folders among it.
type folder struct {
	path    string // "." for the root
	mtime   int64  // as it is recorded, seconds
	verdict verdict
	parts   [][]walkedChild // one for each chunk of names
	total   int       // entries here and below, after tally

	reserved map[string]bool // see reservedPaths.names
	leadsToReserved    bool            // to what is reserved: it is taken only for what else is in it
}

// walkedChild is one child that is taken, or a folder that has children that are.
type walkedChild struct {
	entry  entry
	taken  bool
	folder *folder // of a directory
}

// addSkipped notes what BuildKit cannot send.
func (w *walk) addSkipped(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skipped = append(w.skipped, name)
}

// fail keeps the first error and ends the walk.
func (w *walk) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
}

// failure is the first error, or the reason why ctx ended.
func (w *walk) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && w.ctx.Err() != nil {
		w.err = context.Cause(w.ctx)
	}
	return w.err
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

// countEntries counts what flatten yields, here and below.
func (f *folder) countEntries() int {
	for _, part := range f.parts {
		for i := range part {
			if sub := part[i].folder; sub != nil && sub.countEntries() > 0 {
				part[i].taken = true // a directory that is not taken itself is there when something below it is
				f.total += sub.total
			} else if sub != nil && sub.leadsToReserved {
				part[i].taken = false
			}
			if part[i].taken {
				f.total++
			}
		}
	}
	return f.total
}

// flatten puts the entries in the order in which BuildKit wants them: each directory before what is in it, and both before
// the next sibling.
func (f *folder) flatten(into []entry) []entry {
	for _, part := range f.parts {
		for i := range part {
			if child := &part[i]; child.taken {
				into = append(into, child.entry)
				if child.folder != nil {
					into = child.folder.flatten(into)
				}
			}
		}
	}
	return into
}
