//go:build unix

package private

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// linkLimit is how many links a path may lead through, as in the kernel.
const linkLimit = 40

// walk is the way from the root of the file system to a folder. Each step was checked in the open folder before it.
type walk struct {
	create bool       // what is missing
	names  []string   // of the folders below the root
	open   []*os.File // the root and those folders
}

// enter opens the folder at the absolute path, component by component, and returns its path without links. With create
// it makes what is missing, with mode 0700.
//
// What a step finds cannot change before the next one: in a folder that only root and this user write to, and with a
// sticky bit also in others, nobody else removes or replaces an entry of root's or ours.
func enter(path string, create bool) (folder *os.File, resolved string, err error) {
	if !filepath.IsAbs(path) {
		return nil, "", &fs.PathError{Op: "open", Path: path, Err: errors.New("the path is not absolute")}
	}
	w := &walk{create: create}
	defer w.leave(0)
	if err := w.push("/", unix.AT_FDCWD); err != nil {
		return nil, "", err
	}
	rest := components(path)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			w.leave(max(1, len(w.open)-1))
			continue
		}
		target, err := w.step(name)
		if err != nil {
			return nil, "", err
		}
		if target == "" {
			continue
		}
		if links++; links > linkLimit {
			return nil, "", &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		if filepath.IsAbs(target) {
			w.leave(1)
		}
		rest = append(components(target), rest...)
	}
	resolved = w.path("")
	return w.pop(), resolved, nil
}

// components returns the names in a path, ".." included.
func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

func (w *walk) path(name string) string {
	return filepath.Join("/", filepath.Join(w.names...), name)
}

func (w *walk) top() *os.File { return w.open[len(w.open)-1] }

// pop returns the last folder, which stays open.
func (w *walk) pop() *os.File {
	last := w.top()
	w.open = w.open[:len(w.open)-1]
	return last
}

// leave closes all folders but the first n.
func (w *walk) leave(n int) {
	for len(w.open) > n {
		_ = w.pop().Close()
	}
	w.names = w.names[:min(len(w.names), max(0, n-1))]
}

// step enters the folder name, or returns the target of the link name.
func (w *walk) step(name string) (target string, err error) {
	if name == "." {
		return "", nil
	}
	parent, err := w.top().Stat()
	if err != nil {
		return "", err
	}
	if err := checkWriters(w.path(""), parent); err != nil {
		return "", err
	}
	at := int(w.top().Fd())
	err = w.push(name, at)
	if w.create && errors.Is(err, unix.ENOENT) {
		if err := unix.Mkdirat(at, name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return "", &fs.PathError{Op: "mkdir", Path: w.path(name), Err: err}
		}
		err = w.push(name, at)
	}
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return w.readLink(name, at)
	}
	return "", err
}

// push enters the folder name of the open folder at, unless it belongs to another user.
func (w *walk) push(name string, at int) error {
	path := w.path(name)
	fd, err := unix.Openat(at, name, searchOnly|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	folder := os.NewFile(uintptr(fd), path)
	info, err := folder.Stat()
	if err == nil {
		err = checkOwner(path, info)
	}
	if err != nil {
		return errors.Join(err, folder.Close())
	}
	if len(w.open) > 0 {
		w.names = append(w.names, name)
	}
	w.open = append(w.open, folder)
	return nil
}

// readLink returns where the link name in the open folder at leads, unless it belongs to another user.
func (w *walk) readLink(name string, at int) (string, error) {
	path := w.path(name)
	var stat unix.Stat_t
	if err := unix.Fstatat(at, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return "", &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", notFolder(path)
	}
	if err := checkUser(path, int(stat.Uid)); err != nil {
		return "", err
	}
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(at, name, target)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: path, Err: err}
	}
	return string(target[:n]), nil
}
