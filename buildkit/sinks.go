package buildkit

import (
	"archive/tar"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// fileSink is a file that appears as a whole. Until then it is a temporary one beside it.
type fileSink struct {
	*os.File
	dir    *os.Root
	temp   string // its name in dir
	path   string
	commit func(*fileSink) error
}

// NewFile is a sink that becomes the file at path, in place of what was there. Folders above it are made. Links in the folder
// project have to stay there; "" is none.
//
// Errors name path. They wrap a *file.LinkError where a link leads out of the project.
func NewFile(project, path string) (Sink, error) {
	return newFileSink(project, path, func(f *fileSink) error {
		if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
			return err
		}
		return f.dir.Rename(f.temp, filepath.Base(path))
	})
}

// NewFolder is a sink that is unpacked into the folder at path; what is there stays. Links and errors are as with NewFile.
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

// newFileSink writes beside path, on the same file system.
func newFileSink(project, path string, commit func(*fileSink) error) (Sink, error) {
	dir, err := inputs.Files{Project: project}.ProjectBounds().MakeRoot(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("exports: %w", err)
	}
	f := &fileSink{dir: dir, path: path, temp: temporaryName(filepath.Base(path)), commit: commit}
	if f.File, err = create(dir, f.temp); err != nil {
		return nil, fmt.Errorf("exports: %w", errors.Join(err, dir.Close()))
	}
	return f, nil
}

// temporaryName is a name that nobody can guess.
func temporaryName(name string) string { return "." + name + "-" + rand.Text() }

// create makes a file that is not there yet.
func create(dir *os.Root, name string) (*os.File, error) {
	return dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// Commit puts the file in its place. The error names it, and wraps a *file.LinkError as that of NewFile does.
func (f *fileSink) Commit() error {
	err := f.commit(f)
	f.clear()
	if err != nil {
		return fmt.Errorf("exports: %s: %w", f.path, err)
	}
	return nil
}

// Abort leaves nothing.
func (f *fileSink) Abort() error {
	f.clear()
	return nil
}

// clear removes what is temporary, if it is there still.
func (f *fileSink) clear() {
	_ = errors.Join(f.Close(), f.dir.Remove(f.temp), f.dir.Close())
}

// unpack writes the files and folders of an archive into a folder, and nothing outside of it. An OCI layout has nothing else.
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

// unpackFile replaces what is at name, whatever that is: a link is not followed.
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
