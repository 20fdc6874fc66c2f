package file

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// bound is one open folder.
type bound struct {
	root *os.Root
	info os.FileInfo
	path string // its path, without links
}

// maxLinks is how many links a path may lead over.
const maxLinks = 255

// walker follows one path at a time. It stands at a place that is no link: at the path at in the folder in or, when
// that is nil, at the absolute path at.
type walker struct {
	bounds []*bound
	scoped bool // the one bound is the root of the file system
	make   bool // make folders that do not exist

	in           *bound
	at           string
	link, target string // the first link in a bound
	links        int
}

func (w *walker) close() {
	for _, b := range w.bounds {
		_ = b.root.Close()
	}
}

// path returns the absolute path at which the walker stands.
func (w *walker) path() string {
	if w.in == nil {
		return w.at
	}
	return filepath.Join(w.in.path, w.at)
}

// adopt makes the folder at which the walker stands a bound and steps into it, unless it is in one.
func (w *walker) adopt() error {
	if w.in != nil {
		return nil
	}
	root, err := os.OpenRoot(w.at)
	if err != nil {
		return err
	}
	info, err := root.Stat(".")
	if err != nil {
		return errors.Join(err, root.Close())
	}
	w.in = &bound{root: root, info: info, path: w.at}
	w.bounds, w.at = append(w.bounds, w.in), "."
	return nil
}

// start walks to path from its root or, when it is relative, from the working directory.
func (w *walker) start(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	w.link, w.target, w.links = "", "", 0
	return w.follow(w.restart(abs))
}

// startHere walks to the working directory. It judges no link on the way, because the user's shell went that way.
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

// follow walks to path from where the walker stands.
func (w *walker) follow(path string) error {
	for rest := split(path); len(rest) > 0; {
		next, err := w.step(rest[0], rest[1:])
		if err != nil {
			return w.conceal(err)
		}
		rest = next
	}
	return w.conceal(nil)
}

// open walks to path from where the walker stands and opens the regular file there.
func (w *walker) open(path string) (*os.File, error) {
	if err := w.follow(path); err != nil {
		return nil, err
	}
	f, err := w.openFile()
	if err != nil {
		return nil, err
	}
	if err := checkRegular(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// conceal returns a *LinkError instead of err if a link led out of the bounds, or into a repository's own files.
func (w *walker) conceal(err error) error {
	out := w.in == nil || slices.Contains(split(w.at), ".git") || isKernel(w.path())
	if w.link != "" && out {
		return &LinkError{Link: w.link, Target: w.target}
	}
	return err
}

// isKernel tells whether a path leads to what the kernel shows of processes and devices.
func isKernel(path string) bool {
	return slices.ContainsFunc([]string{"/proc", "/sys", "/dev"}, func(dir string) bool {
		return path == dir || strings.HasPrefix(path, dir+"/")
	})
}

// split returns the names in a path.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r < 128 && os.IsPathSeparator(uint8(r)) })
}
