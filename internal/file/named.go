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

// Project are the bounds of a project's folder; "" is none.
func Project(dir string) Bounds {
	if dir == "" {
		return nil
	}
	return Bounds{dir}
}

// OpenNamed opens the regular file at a path that a program or a user wrote. The path itself may lead anywhere, and so
// may the links outside of the bounds: those are the user's own. The errors are those of Open.
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
	return &Found{File: f, Place: w.place(), Link: w.link}, nil
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

// FindSocket returns where the socket is to which path leads, without links, or "" if something else is there. Links
// are followed as by OpenNamed, but none in the bounds leads to a socket: that is a *LinkError.
func (b Bounds) FindSocket(path string) (place string, err error) {
	w, err := b.walkNamed(path)
	if err != nil {
		return "", err
	}
	defer w.close()
	info, err := os.Lstat(w.place())
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return "", err
	}
	if w.link != "" {
		return "", &LinkError{Link: w.link, Target: w.target, Socket: true}
	}
	return w.place(), nil
}

// walkNamed walks to path as the kernel does: what is relative starts where the working directory is, and ".." after a
// link is above its target.
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
	case runtime.GOOS == "windows": // where ".." is of the text
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

// startHere stands in the working directory. How it was reached is nobody's to judge.
func (w *walker) startHere() error {
	dir, err := os.Getwd()
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return err
	}
	return w.start(dir)
}
