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

// sentFS is a tree as fsutil sends it: its walk replays the record, its files verify themselves while they are read.
// What goes wrong is handed to fail, because fsutil sends an empty file for one that cannot be opened.
type sentFS struct {
	ctx   context.Context //nolint:containedctx // lives as long as one transfer
	tree  *Tree
	epoch *int64   // seconds; nil: the times as they were recorded
	root  *os.Root // nil for a tree in memory
	fail  func(error)
}

// Walk replays the record below target; fn may skip directories. A target that is not in the tree is fs.ErrNotExist.
func (s *sentFS) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	return s.guard(func() error { return s.walk(ctx, target, fn) })
}

// guard runs f, which fsutil calls in goroutines of its own. A panic ends the transfer.
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

func isPathWithin(name, dir string) bool {
	return dir == "" || name == dir || strings.HasPrefix(name, dir+"/")
}

// Open opens a recorded file. It returns no error of its own: the reader fails, and with it the transfer.
func (s *sentFS) Open(name string) (content io.ReadCloser, err error) {
	err = s.guard(func() error { content = s.openEntry(name); return nil })
	return content, err
}

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

// openFile opens a file below root: no link is followed at its end, and a FIFO put in its place does not block.
func openFile(root *os.Root, name string) (*os.File, error) {
	return root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|openFlags, 0)
}

func (s *sentFS) failFile(name string, cause error) io.ReadCloser {
	err := newChangedError(name, cause)
	if s.root != nil && err.Change == Unreadable { // also what a link that leads out of the root is
		if info, failed := s.root.Lstat(filepath.FromSlash(name)); failed == nil && !info.Mode().IsRegular() {
			err.Change = Replaced
		}
	}
	s.fail(err)
	return brokenFile{err}
}

type brokenFile struct{ err error }

func (b brokenFile) Read([]byte) (int, error) { return 0, b.err }
func (brokenFile) Close() error               { return nil }

// verifiedFile reads a file and fails unless it has exactly the recorded bytes.
type verifiedFile struct {
	fs      *sentFS
	entry   *entry
	file    *os.File
	content digestReader
}

func (v *verifiedFile) Read(p []byte) (n int, err error) {
	err = v.fs.guard(func() (err error) { n, err = v.readVerified(p); return err })
	return n, err
}

func (v *verifiedFile) readVerified(p []byte) (int, error) {
	n, err := v.content.Read(p)
	if err != nil && v.fs.ctx.Err() != nil { // the transfer has ended, which tells nothing about the file
		return 0, err
	}
	if cause := v.compare(err); cause != nil {
		err := newChangedError(v.entry.path, cause)
		v.fs.fail(err)
		return 0, err
	}
	return n, err
}

// compare tells what is wrong with the bytes read so far, after a read that returned err.
func (v *verifiedFile) compare(err error) error {
	size := v.entry.size
	switch {
	case v.content.n > size:
		return &sizeError{was: size, is: v.content.n}
	case err == nil:
		return nil
	case err != io.EOF: //nolint:errorlint // io.Reader returns the bare value
		return err
	case v.content.n < size:
		return &sizeError{was: size, is: v.content.n}
	case v.content.sum() != v.entry.sum:
		return &sizeError{was: size, is: size}
	}
	return nil
}

func (v *verifiedFile) Close() error { return v.file.Close() }
