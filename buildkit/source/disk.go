package source

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// diskFS walks a directory for fsutil's filters. Its first error is kept in err: fsutil swallows those that say "does not
// exist", and with them every later file of the directory.
type diskFS struct {
	root *os.Root
	err  error
}

func (d *diskFS) Walk(ctx context.Context, _ string, fn fs.WalkDirFunc) error {
	return d.walkDir(ctx, ".", fn)
}

func (d *diskFS) walkDir(ctx context.Context, dir string, fn fs.WalkDirFunc) error {
	children, err := fs.ReadDir(d.root.FS(), dir)
	if errors.Is(err, fs.ErrPermission) && dir != "." { // of no matter when the directory is ignored: the filter knows
		if err = fn(filepath.FromSlash(dir), &fsutil.DirEntryInfo{Stat: &types.Stat{Path: dir, Mode: uint32(fs.ModeDir)}}, err); err == nil {
			return nil
		}
	}
	if err != nil {
		return d.keep(err)
	}
	for _, child := range children {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := d.visit(ctx, path.Join(dir, child.Name()), fn); err != nil {
			return err
		}
	}
	return nil
}

// visit hands one entry to fn and walks into it when it is a directory that fn does not skip.
func (d *diskFS) visit(ctx context.Context, name string, fn fs.WalkDirFunc) error {
	stat, err := d.stat(name)
	if err != nil {
		return d.keep(err)
	}
	if !sendable(os.FileMode(stat.Mode)) {
		return nil
	}
	err = fn(filepath.FromSlash(name), &fsutil.DirEntryInfo{Stat: stat}, nil)
	switch {
	case errors.Is(err, fs.SkipDir):
		return nil
	case err != nil:
		return err
	case os.FileMode(stat.Mode).IsDir():
		return d.walkDir(ctx, name, fn)
	}
	return nil
}

// sendable tells what a build context is made of. A socket would become an empty file, a device a device.
func sendable(m os.FileMode) bool {
	return m.IsRegular() || m.IsDir() || m&os.ModeSymlink != 0
}

func (d *diskFS) stat(name string) (*types.Stat, error) {
	info, err := d.root.Lstat(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	stat := &types.Stat{Path: name, Mode: uint32(sentMode(info.Mode())), ModTime: info.ModTime().Truncate(time.Second).UnixNano()}
	if info.Mode().IsRegular() {
		stat.Size = info.Size()
	}
	if info.Mode()&os.ModeSymlink != 0 {
		link, err := d.root.Readlink(filepath.FromSlash(name))
		if err != nil {
			return nil, err
		}
		stat.Linkname = filepath.ToSlash(link)
		stat.Size = int64(len(stat.Linkname))
	}
	return stat, nil
}

func (d *diskFS) keep(err error) error {
	if d.err == nil {
		d.err = err
	}
	return err
}

// Open is never called: a walk reads no content.
func (d *diskFS) Open(string) (io.ReadCloser, error) { return nil, fs.ErrInvalid }
