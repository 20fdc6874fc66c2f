package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Bounds are folders whose content somebody else may have written, such as a build context. A read follows a link in
// one of them only if it leads into one of them. Files outside belong to the machine, and so do their links; a path
// that a program writes may lead there.
//
// A read walks every path step by step. It opens the end of the path through the descriptor of the folder that it was
// found in, so a link that is planted meanwhile leads nowhere else. The zero Bounds judge only the links beside a file.
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
	Path string // where the file is, without links
	Link string // the first link within the bounds that was followed, "" if there was none
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
	return &Found{File: f, Path: w.path(), Link: w.link}, nil
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

// MakeRoot opens the folder at path. It makes the folder and those above it with mode 0755 if they do not exist. The
// errors are those of OpenRoot.
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

// Within opens the regular file at name as if dir were the root of the file system, as BuildKit reads the files of a
// build context. A link that leaves dir finds nothing. The errors are those of Read.
func Within(dir *os.Root, name string) (*os.File, error) {
	info, err := dir.Stat(".")
	if err != nil {
		return nil, err
	}
	w := &walker{bounds: []*bound{{root: dir, info: info, path: dir.Name()}}, scoped: true}
	w.in, w.at = w.bounds[0], "."
	return w.open(name)
}

// walk returns a walker that stands at path.
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

// begin returns a walker. It opens the folders one after the other, each within those before it, and ignores a folder
// that does not exist.
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
