package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Project returns the bounds of a project's folder. It returns none for "".
func Project(dir string) Bounds {
	if dir == "" {
		return nil
	}
	return Bounds{dir}
}

// OpenNamed opens the regular file at a path that a program or a user wrote. The path may lead anywhere, and so may the
// links outside of the bounds, which are the user's own. The errors are those of Open.
func (b Bounds) OpenNamed(path string) (*Found, error) {
	w, err := b.walkNamed(path)
	if err != nil {
		return nil, err
	}
	defer w.close()
	f, err := w.open("")
	if err != nil {
		return nil, err
	}
	return &Found{File: f, Path: w.path(), Link: w.link}, nil
}

// ReadNamed returns the content of the regular file that OpenNamed opens, which has limit bytes at most. The errors are
// those of Open.
func (b Bounds) ReadNamed(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := b.OpenNamed(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return ReadAll(ctx, f.File, limit)
}

// FindSocket returns the path without links of the socket to which path leads, or "" if something else is there. It
// follows links as OpenNamed does, but returns a *LinkError for a link in the bounds that leads to a socket.
func (b Bounds) FindSocket(path string) (socket string, err error) {
	w, err := b.walkNamed(path)
	if err != nil {
		return "", err
	}
	defer w.close()
	info, err := os.Lstat(w.path())
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return "", err
	}
	if w.link != "" {
		return "", &LinkError{Link: w.link, Target: w.target, Socket: true}
	}
	return w.path(), nil
}

// walkNamed returns a walker that stands at path. It walks as the kernel does: a relative path starts at the working
// folder, and ".." after a link leads above its target.
func (b Bounds) walkNamed(path string) (*walker, error) {
	if path == "" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
	}
	w, err := b.begin()
	if err != nil {
		return nil, err
	}
	w.link, w.target, w.links = "", "", 0
	switch {
	case runtime.GOOS == "windows": // which takes ".." lexically
		err = w.start(path)
	case filepath.IsAbs(path):
		err = w.follow(w.restart(path))
	default:
		if err = w.startHere(); err == nil {
			err = w.follow(path)
		}
	}
	if pathErr := new(fs.PathError); errors.As(err, &pathErr) {
		err = &fs.PathError{Op: "open", Path: path, Err: pathErr.Err}
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}
