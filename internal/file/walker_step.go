package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// restart goes to the root of an absolute path and returns the rest of the path.
func (w *walker) restart(abs string) (rest string) {
	volume := filepath.VolumeName(abs)
	w.in, w.at = nil, volume+string(filepath.Separator)
	if info, err := os.Lstat(w.at); err == nil {
		w.enter(info)
	}
	return abs[len(volume):]
}

// enter steps into the bound that is the folder at which the walker stands.
func (w *walker) enter(info os.FileInfo) {
	for _, b := range w.bounds {
		if w.in == nil && os.SameFile(b.info, info) {
			w.in, w.at = b, "."
		}
	}
}

// step takes one step of a path and returns what is left of it.
func (w *walker) step(name string, rest []string) ([]string, error) {
	switch name {
	case ".":
		return rest, nil
	case "..":
		return w.leaveFolder(rest), nil
	}
	info, err := w.lstat(name)
	if w.make && errors.Is(err, fs.ErrNotExist) {
		info, err = w.mkdir(name)
	}
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return w.followLink(name, rest)
	case !info.IsDir() && len(rest) > 0:
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(w.path(), name), Err: syscall.ENOTDIR}
	}
	w.at = filepath.Join(w.at, name)
	if info.IsDir() && w.in == nil {
		w.enter(info)
	}
	return rest, nil
}

// leaveFolder takes the step ".." and returns what is left of the path.
func (w *walker) leaveFolder(rest []string) []string {
	switch {
	case w.in == nil, w.at != ".":
		w.at = filepath.Dir(w.at)
		return rest
	case w.scoped:
		return rest
	}
	above := w.restart(filepath.Dir(w.in.path)) // which may be in another bound
	return append(split(above), rest...)
}

// followLink follows a link by its text and returns what is left of the path. The kernel must not follow it: it would
// follow links of /proc to files that no path leads to.
func (w *walker) followLink(name string, rest []string) ([]string, error) {
	path := filepath.Join(w.path(), name)
	if w.links++; w.links > maxLinks {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
	}
	text, err := w.readlink(name)
	if err != nil {
		return nil, err
	}
	if w.in != nil && !w.scoped && w.link == "" {
		w.link, w.target = path, text
	}
	steps := append(split(text), rest...)
	if !filepath.IsAbs(text) {
		return steps, nil
	}
	if w.scoped {
		w.at = "."
		return append(split(text[len(filepath.VolumeName(text)):]), rest...), nil
	}
	return append(split(w.restart(text)), rest...), nil
}

func (w *walker) lstat(name string) (os.FileInfo, error) {
	if w.in == nil {
		return os.Lstat(filepath.Join(w.at, name))
	}
	info, err := w.in.root.Lstat(filepath.Join(w.at, name))
	return info, w.withFullPath(err)
}

func (w *walker) readlink(name string) (string, error) {
	if w.in == nil {
		return os.Readlink(filepath.Join(w.at, name))
	}
	text, err := w.in.root.Readlink(filepath.Join(w.at, name))
	return text, w.withFullPath(err)
}

// mkdir makes a folder. It returns a *LinkError where a link led out of the bounds.
func (w *walker) mkdir(name string) (os.FileInfo, error) {
	path, err := filepath.Join(w.at, name), w.conceal(nil)
	switch {
	case err != nil:
	case w.in != nil:
		err = w.withFullPath(w.in.root.Mkdir(path, 0o755))
	default:
		err = os.Mkdir(path, 0o755) //nolint:gosec // it is the user's, as any folder of theirs
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return w.lstat(name)
}

func (w *walker) openFile() (*os.File, error) {
	if w.in == nil {
		return os.OpenFile(w.at, os.O_RDONLY|noWait|noFollow, 0)
	}
	f, err := w.in.root.OpenFile(w.at, os.O_RDONLY|noWait, 0)
	return f, w.withFullPath(err)
}

func (w *walker) openRoot() (*os.Root, error) {
	if w.in == nil {
		return os.OpenRoot(w.at)
	}
	root, err := w.in.root.OpenRoot(w.at)
	return root, w.withFullPath(err)
}

// withFullPath puts the whole path into an error of a folder.
func (w *walker) withFullPath(err error) error {
	pathErr := new(fs.PathError)
	if !errors.As(err, &pathErr) {
		return err
	}
	return &fs.PathError{Op: "open", Path: filepath.Join(w.in.path, pathErr.Path), Err: pathErr.Err}
}
