package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tonistiigi/fsutil"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// sentFS is a tree as fsutil sends it: its walk replays the record, and its files verify themselves while they are
// read. It hands each error to fail, because fsutil sends an empty file for one that cannot be opened.
type sentFS struct {
	ctx   context.Context //nolint:containedctx // lives as long as one transfer
	tree  *Tree
	epoch *int64   // seconds; nil: the times as they were recorded
	root  *os.Root // nil for a tree in memory
	fail  func(error)
}

// open opens the root of the tree.
func (s *sentFS) open() (closeRoot func(), err error) {
	if s.tree.root == "" {
		return func() {}, nil
	}
	if s.root, err = s.tree.open(s.tree.root); err != nil {
		return nil, err
	}
	return func() { _ = s.root.Close() }, nil
}

// Walk replays the record below target; fn may skip folders. It returns fs.ErrNotExist for a target that is not in
// the tree.
func (s *sentFS) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	return s.guard(func() error { return s.walk(ctx, target, fn) })
}

// guard runs f and returns a panic as an error, with which it ends the transfer. fsutil calls f in its own goroutines.
func (s *sentFS) guard(f func() error) error {
	err := rescue.Call(f)
	if bug, ok := errors.AsType[*rescue.PanicError](err); ok {
		s.fail(bug)
	}
	return err
}

func (s *sentFS) walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	below := strings.Trim(path.Clean("/"+target), "/")
	if below != "" && s.tree.find(below) == nil {
		return &fs.PathError{Op: "walk", Path: target, Err: fs.ErrNotExist}
	}
	skipped := ""
	for i := range s.tree.entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		e := &s.tree.entries[i]
		name := e.path
		if !isPathWithin(name, below) || skipped != "" && isPathWithin(name, skipped) {
			continue
		}
		err := fn(name, &fsutil.DirEntryInfo{Stat: e.stat(s.epoch)}, nil)
		if err == fs.SkipDir { //nolint:errorlint // fs.WalkDirFunc returns the bare value
			if skipped = name; !e.mode.IsDir() {
				skipped = path.Dir(name)
			}
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isPathWithin tells whether a path is dir, or lies below it. The root is "".
func isPathWithin(name, dir string) bool {
	return dir == "" || name == dir || strings.HasPrefix(name, dir+"/")
}

// Open opens a recorded file. It returns no error of its own: the reader fails, and with it the transfer.
func (s *sentFS) Open(name string) (content io.ReadCloser, err error) {
	err = s.guard(func() error { content = s.openEntry(name); return nil })
	return content, err
}

// openEntry returns the content of a recorded file, or a reader that fails.
func (s *sentFS) openEntry(name string) io.ReadCloser {
	e := s.tree.find(strings.Trim(path.Clean("/"+name), "/"))
	if e == nil || !e.mode.IsRegular() {
		return s.failFile(name, fs.ErrNotExist)
	}
	if s.root == nil {
		return io.NopCloser(bytes.NewReader(s.tree.content[e.path]))
	}
	f, err := openFile(s.root, e.path)
	if err != nil {
		return s.failFile(name, err)
	}
	return &verifiedFile{fs: s, entry: e, file: f, content: digestReader{ctx: s.ctx, r: f, h: sha256.New()}}
}

// openFile opens a file below root. It follows no link at the end, and does not wait for a FIFO in the file's place.
func openFile(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|openFlags, 0)
}

// failFile ends the transfer because of a file that cannot be opened. It returns a reader that fails.
func (s *sentFS) failFile(name string, cause error) io.ReadCloser {
	err := newChangedError(name, cause)
	if s.root != nil && err.Change == Unreadable { // which a link out of the root is, too
		if info, failed := s.root.Lstat(filepath.FromSlash(name)); failed == nil && !info.Mode().IsRegular() {
			err.Change = Replaced
		}
	}
	s.fail(err)
	return brokenFile{err}
}
