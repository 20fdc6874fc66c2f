package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Bounds are folders whose content somebody else may have written, such as a build context. A link in one of them is
// followed only where it leads into one of them. What lies outside belongs to the machine, and so do its links; a path
// that a program writes may lead there.
//
// Every path is walked step by step, and its end is opened through the descriptor of the folder that it was found in,
// so that a link that is planted meanwhile leads nowhere else. The zero Bounds judge no link but those beside a file.
type Bounds []string

// LinkError says that a link leads out of all bounds. It tells nothing about what is there.
type LinkError struct {
	Link   string // path of the link
	Target string // its text
	Socket bool   // it leads to a socket, wherever that is
}

func (e *LinkError) Error() string {
	if e.Socket {
		return fmt.Sprintf("%s: it is a link to %q, and no link of the project is followed to a socket",
			e.Link, e.Target)
	}
	return fmt.Sprintf("%s: it is a link to %q, out of the build context and the project", e.Link, e.Target)
}

// Found is an open file and how its path led there.
type Found struct {
	*os.File
	Place string // where the file is, without links
	Link  string // the first link within the bounds that was followed, "" if there was none
}

// Open opens the regular file at path without waiting for anybody. A file outside of the bounds may be a link into its
// own folder, or into the bounds.
//
// Errors are those of Read, or a *LinkError.
func (b Bounds) Open(path string) (*Found, error) {
	w, err := b.walk(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer w.close()
	if err := w.adopt(); err != nil {
		return nil, err
	}
	f, err := w.open(filepath.Base(path))
	if err != nil {
		return nil, err
	}
	return &Found{File: f, Place: w.place(), Link: w.link}, nil
}

// Read returns the content of the regular file at path, which has limit bytes at most. The errors are those of Open.
func (b Bounds) Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := b.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return ReadAll(ctx, f.File, limit)
}

// OpenRoot opens the folder at path. Errors are of type *fs.PathError or *LinkError.
func (b Bounds) OpenRoot(path string) (*os.Root, error) {
	w, err := b.walk(path)
	if err != nil {
		return nil, err
	}
	defer w.close()
	return w.openRoot()
}

// MakeRoot opens the folder at path, and makes it and those above it with mode 0755 when they are not there. The errors
// are those of OpenRoot.
func (b Bounds) MakeRoot(path string) (*os.Root, error) {
	w, err := b.begin()
	if err != nil {
		return nil, err
	}
	defer w.close()
	w.make = true
	if err := w.start(path); err != nil {
		return nil, err
	}
	return w.openRoot()
}

// Within opens the regular file at name as if dir were the root of everything, as BuildKit reads the files of a build
// context: what a link leaves dir for is not there. The errors are those of Read.
func Within(dir *os.Root, name string) (*os.File, error) {
	info, err := dir.Stat(".")
	if err != nil {
		return nil, err
	}
	w := &walker{bounds: []*bound{{root: dir, info: info, place: dir.Name()}}, scoped: true}
	w.in, w.at = w.bounds[0], "."
	return w.open(name)
}

func (b Bounds) walk(path string) (*walker, error) {
	w, err := b.begin()
	if err != nil {
		return nil, err
	}
	if err := w.start(path); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// begin opens the folders one after the other, each within those before it. One that is not there bounds nothing.
func (b Bounds) begin() (*walker, error) {
	w := &walker{}
	for _, dir := range b {
		err := w.start(dir)
		if err == nil {
			err = w.adopt()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			w.close()
			return nil, err
		}
	}
	return w, nil
}

// bound is one open folder.
type bound struct {
	root  *os.Root
	info  os.FileInfo
	place string // its path, without links
}

// maxLinks is how many links a path may lead over.
const maxLinks = 255

// walker follows one path at a time. It stands at a place that is no link: at the path at in the folder in or, when
// that is nil, at the absolute path at.
type walker struct {
	bounds []*bound
	scoped bool // the one bound is the root of everything
	make   bool // folders that are not there

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

// place returns the absolute path at which the walker stands.
func (w *walker) place() string {
	if w.in == nil {
		return w.at
	}
	return filepath.Join(w.in.place, w.at)
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
	w.in = &bound{root: root, info: info, place: w.at}
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

// conceal returns a *LinkError when a link led out of the bounds, or into a repository's own files.
func (w *walker) conceal(err error) error {
	out := w.in == nil || slices.Contains(split(w.at), ".git") || isKernel(w.place())
	if w.link != "" && out {
		return &LinkError{Link: w.link, Target: w.target}
	}
	return err
}

// isKernel tells whether a path leads to what the kernel shows of processes and devices.
func isKernel(place string) bool {
	return slices.ContainsFunc([]string{"/proc", "/sys", "/dev"}, func(dir string) bool {
		return place == dir || strings.HasPrefix(place, dir+"/")
	})
}

// split returns the steps of a path.
func split(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r < 128 && os.IsPathSeparator(uint8(r)) })
}
