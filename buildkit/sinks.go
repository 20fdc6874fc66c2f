package buildkit

import (
	"archive/tar"
	"cmp"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// fileSink is a file that appears whole. Until Commit it is a temporary file beside its path.
type fileSink struct {
	*os.File
	dir    *os.Root
	temp   string // its name in dir
	path   string
	commit func(*fileSink) error

	mu     sync.Mutex
	failed error // of the first write that failed
}

// NewFile returns a sink that replaces the file at path. It makes the folders above path. If project is not "", links
// in that folder have to stay in it.
//
// It returns an *ExportError, which wraps a *file.LinkError if a link leads out of the project.
func NewFile(project, path string) (Sink, error) {
	return newFileSink(project, path, func(f *fileSink) error {
		if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
			return err
		}
		return f.dir.Rename(f.temp, filepath.Base(path))
	})
}

// NewFolder returns a sink that is unpacked into the folder at path. Other files in the folder stay. Links and errors
// are as with NewFile.
func NewFolder(project, path string) (Sink, error) {
	return newFileSink(project, path, func(f *fileSink) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		folder, err := inputs.Files{Project: project}.ProjectBounds().MakeRoot(path)
		if err != nil {
			return err
		}
		return errors.Join(unpack(f, folder), folder.Close())
	})
}

// newFileSink returns a sink that writes beside path, and so on the same file system.
func newFileSink(project, path string, commit func(*fileSink) error) (Sink, error) {
	dir, err := inputs.Files{Project: project}.ProjectBounds().MakeRoot(filepath.Dir(path))
	if err != nil {
		return nil, &ExportError{Err: err}
	}
	f := &fileSink{dir: dir, path: path, temp: temporaryName(filepath.Base(path)), commit: commit}
	if f.File, err = create(dir, f.temp); err != nil {
		if _, cause, ok := fileError("", err); ok {
			err = cause // the name is that of the temporary file
		}
		return nil, &ExportError{Path: path, Err: errors.Join(err, dir.Close())}
	}
	return f, nil
}

// temporaryName returns a name that nobody can guess.
func temporaryName(name string) string { return "." + name + "-" + rand.Text() }

// create makes a new file.
func create(dir *os.Root, name string) (*os.File, error) {
	return dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// Commit moves the file to its path, or unpacks it there. Errors are as with NewFile.
func (f *fileSink) Commit() error {
	err := f.commit(f)
	f.removeTemporary()
	if err != nil {
		return &ExportError{Path: f.path, Err: err}
	}
	return nil
}

// Write appends to the temporary file.
func (f *fileSink) Write(data []byte) (int, error) {
	n, err := f.File.Write(data)
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.failed = cmp.Or(f.failed, err)
	}
	return n, err
}

// Abort removes the temporary file. It returns an *ExportError if a write failed: the daemon tells that only as text,
// as it tells what fails on its own disk.
func (f *fileSink) Abort() error {
	f.removeTemporary()
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, cause, ok := fileError("", f.failed); ok {
		return &ExportError{Path: f.path, Err: cause}
	}
	return nil
}

// removeTemporary closes the temporary file, and removes it if it still exists.
func (f *fileSink) removeTemporary() {
	_ = errors.Join(f.Close(), f.dir.Remove(f.temp), f.dir.Close())
}

// unpack writes the files of an archive into a folder, and nothing outside of it. It skips links and devices, which an
// OCI layout does not have.
func unpack(archive io.Reader, folder *os.Root) error {
	for reader := tar.NewReader(archive); ; {
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && h.Typeflag == tar.TypeReg {
			err = unpackFile(folder, h.Name, reader)
		}
		if err != nil {
			return err
		}
	}
}

// unpackFile replaces whatever is at name with a file. It does not follow a link at name.
func unpackFile(folder *os.Root, name string, content io.Reader) error {
	dir := filepath.Dir(filepath.FromSlash(name))
	if err := folder.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	temp := filepath.Join(dir, temporaryName("unpacked"))
	f, err := create(folder, temp)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = folder.Rename(temp, filepath.FromSlash(name))
	}
	if err != nil {
		_ = folder.Remove(temp)
	}
	return err
}
