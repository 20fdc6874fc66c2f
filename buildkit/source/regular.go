package source

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

var errNotRegular = errors.New("it is a FIFO, a socket or a device: it has to be a regular file, or a link to one")

// ReadRegular is the content of a regular file. Links are followed. Unlike os.ReadFile it never waits for somebody to write: a
// FIFO, a socket or a device is an error, as a folder is.
//
// Errors are of type *fs.PathError.
func ReadRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	return io.ReadAll(f)
}
