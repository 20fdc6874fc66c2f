package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// FollowLinks turns paths below dir, as a Dockerfile gives them, into patterns for a Scope. It returns the paths
// themselves and whatever links in them lead to, as BuildKit follows them. It returns nil, which is everything, if a
// path leads to the root. It ends with ctx.
func FollowLinks(ctx context.Context, dir *os.Root, paths []string) ([]string, error) {
	return fsutil.FollowLinks(linkFS{ctx: ctx, root: dir, listings: map[string][]fs.DirEntry{}}, paths)
}

// linkFS shows fsutil.FollowLinks single entries and the children of single folders. It follows no link, and shows
// nothing outside of root.
type linkFS struct {
	ctx      context.Context //nolint:containedctx // lives as long as one call of FollowLinks, which passes none on
	root     *os.Root
	listings map[string][]fs.DirEntry // of folders: each wildcard asks for one again
}

// Walk calls fn for target, unless that is the root, and then for its children when it is a folder.
func (l linkFS) Walk(_ context.Context, target string, fn fs.WalkDirFunc) error {
	if target != "." {
		info, err := l.lstat(target)
		if err != nil {
			return ignoreAbsent(err)
		}
		if err := fn(target, linkEntry{FileInfo: info, fs: l, path: target}, nil); err != nil || !info.IsDir() {
			return ignoreAbsent(err)
		}
	}
	children, err := l.list(target)
	if err != nil {
		return err
	}
	for _, child := range children {
		path := filepath.Join(target, child.Name())
		if err := ignoreAbsent(fn(path, childEntry{DirEntry: child, fs: l, path: path}, nil)); err != nil {
			return err
		}
	}
	return nil
}

// list returns the children of a folder. It reads each folder once.
func (l linkFS) list(target string) ([]fs.DirEntry, error) {
	if l.ctx.Err() != nil {
		return nil, context.Cause(l.ctx)
	}
	if children, ok := l.listings[target]; ok {
		return children, nil
	}
	dir, err := l.root.Open(target)
	if err != nil {
		return nil, err
	}
	children, err := dir.ReadDir(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	l.listings[target] = children
	return children, nil
}

// ignoreAbsent returns the error unless it says to skip an entry, or that the entry does not exist. fsutil's own walks
// ignore these errors too.
func ignoreAbsent(err error) error {
	if errors.Is(err, fs.SkipDir) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// Open implements fsutil.FS. FollowLinks opens no file.
func (l linkFS) Open(path string) (io.ReadCloser, error) {
	return nil, &fs.PathError{Op: "open", Path: path, Err: errors.ErrUnsupported}
}

// lstat returns fs.ErrNotExist for what is not in the root.
func (l linkFS) lstat(path string) (fs.FileInfo, error) {
	if !filepath.IsLocal(path) {
		return nil, &fs.PathError{Op: "lstat", Path: path, Err: fs.ErrNotExist}
	}
	return l.root.Lstat(path)
}

// childEntry is an entry whose lstat waits until somebody asks for it.
type childEntry struct {
	fs.DirEntry
	fs   linkFS
	path string
}

// Info returns the entry, with the text of a link.
func (c childEntry) Info() (fs.FileInfo, error) {
	info, err := c.fs.lstat(c.path)
	if err != nil {
		return nil, err
	}
	return linkEntry{FileInfo: info, fs: c.fs, path: c.path}.Info()
}

// linkEntry is an entry with its lstat.
type linkEntry struct {
	fs.FileInfo
	fs   linkFS
	path string
}

// Type implements fs.DirEntry.
func (e linkEntry) Type() fs.FileMode { return e.Mode().Type() }

// Info returns the entry, with the text of a link.
func (e linkEntry) Info() (fs.FileInfo, error) {
	stat := &types.Stat{Path: e.path, Mode: uint32(e.Mode())}
	if e.Mode()&fs.ModeSymlink != 0 {
		text, err := e.fs.root.Readlink(e.path)
		if err != nil {
			return nil, err
		}
		stat.Linkname = text
	}
	return &fsutil.StatInfo{Stat: stat}, nil
}
