package source

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
)

// Options of a scan.
type Options struct {
	// Cache remembers the digests of files that have not changed since they were read. Without it every file is read.
	Cache *Cache
	// Watch can tell afterwards whether the tree is still as it was recorded. Nil watches nothing.
	Watch *Watch
	// Open opens the folder, for the scan and for each transfer of the tree. Nil is os.OpenRoot.
	Open func(dir string) (*os.Root, error)
	// Reserved paths are left out.
	Reserved []Reserved
}

// Scan records the part of dir that scope takes: exactly what BuildKit would ask for. It lists folders and reads
// files in parallel. It records links and never follows them, and reads nothing outside dir.
//
// Errors name the path. A file that cannot be read is an error, not an empty file. The error is a *ReservedError if dir
// is reserved, or lies in a folder that is.
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
	w := &walk{
		ctx: ctx, root: root, base: base, matchers: pool, reserved: reserved, cache: o.Cache.open(abs), watch: o.Watch,
		slots: make(chan struct{}, runtime.GOMAXPROCS(0)-1), patterns: len(scope.Includes) + len(scope.Excludes),
	}
	entries, err := w.run(abs)
	if err != nil {
		return nil, err
	}
	return &Tree{root: abs, open: o.Open, entries: entries, skipped: w.skipped, reservedPaths: w.reservedFound}, nil
}
