package buildkit

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// fileSink is a file that appears as a whole.
type fileSink struct {
	*os.File
	path   string
	commit func(archive *os.File) error
}

// NewFile is a sink that becomes the file at path, in place of what was there. Folders above it are made.
func NewFile(path string) (Sink, error) {
	return newFileSink(path, func(archive *os.File) error {
		if err := errors.Join(archive.Chmod(0o644), archive.Close()); err != nil {
			return err
		}
		return os.Rename(archive.Name(), path)
	})
}

// NewFolder is a sink that is unpacked into the folder at path; what is there stays.
func NewFolder(path string) (Sink, error) {
	return newFileSink(path, func(archive *os.File) error {
		defer func() { _ = errors.Join(archive.Close(), os.Remove(archive.Name())) }()
		if _, err := archive.Seek(0, io.SeekStart); err != nil {
			return err
		}
		return unpack(archive, path)
	})
}

// newFileSink writes beside path, on the same file system.
func newFileSink(path string, commit func(*os.File) error) (Sink, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // it is the user's, as any folder of theirs
		return nil, fmt.Errorf("exports: %w", err)
	}
	file, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, fmt.Errorf("exports: %w", err)
	}
	return &fileSink{File: file, path: path, commit: commit}, nil
}

func (f *fileSink) Commit() error {
	if err := f.commit(f.File); err != nil {
		return fmt.Errorf("exports: %s: %w", f.path, err)
	}
	return nil
}

func (f *fileSink) Abort() error {
	_ = errors.Join(f.Close(), os.Remove(f.Name())) // of a temporary file
	return nil
}

// unpack writes the files and folders of an archive below dir, and nothing outside of it. An OCI layout has nothing else.
func unpack(archive io.Reader, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // it is the user's, as any folder of theirs
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for reader := tar.NewReader(archive); ; {
		h, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && h.Typeflag == tar.TypeReg {
			err = unpackFile(root, h.Name, reader)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
