// Package file reads the files that a program, an environment variable or a convention names.
//
// Somebody else may have put anything there: a FIFO that nobody writes to, a device without an end, a sparse file of a
// terabyte, a link out of the project. A read never waits for a writer, never takes more memory than its limit, and
// ends with its context. Bounds keep links from leading a read out of the project.
package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Limits in bytes for the kinds of files that are read whole.
const (
	LimitSecret = 500 << 10 // what BuildKit takes as a secret (session/secrets, MaxSecretSize)
	LimitText   = 1 << 20   // configuration, keys, ignore files, certificates
	LimitSource = 16 << 20  // a Dockerfile: it has to fit into a gRPC message
)

// ErrNotRegular says that a path leads to a FIFO, a socket or a device.
var ErrNotRegular = errors.New("it is a FIFO, a socket or a device: it has to be a regular file, or a link to one")

// TooLargeError says that a file has more than Limit bytes.
type TooLargeError struct{ Limit int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("it has more than %d bytes, the most that such a file may have", e.Limit)
}

// Read returns the content of the regular file at path, which has limit bytes at most. It follows links. The null
// device counts as an empty file.
//
// Errors are of type *fs.PathError. They wrap fs.ErrNotExist, syscall.EISDIR, ErrNotRegular, *TooLargeError, or the
// cause of ctx when that ended.
func Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return ReadAll(ctx, f, limit)
}

// Open opens the regular file at path without waiting for anybody. The errors are those of Read.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|noWait, 0)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Check returns nil if the file at path is regular and has limit bytes at most, or if nothing is there. It is for files
// that a library opens by itself. The errors are those of Read.
func Check(path string, limit int64) error {
	f, err := Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > limit {
		err = &fs.PathError{Op: "read", Path: path, Err: &TooLargeError{Limit: limit}}
	}
	return errors.Join(err, f.Close())
}

// checkRegular returns an error unless f is a regular file or the null device.
func checkRegular(f *os.File) error {
	info, err := f.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return &fs.PathError{Op: "read", Path: f.Name(), Err: syscall.EISDIR}
	case !info.Mode().IsRegular() && !isNull(info):
		return &fs.PathError{Op: "read", Path: f.Name(), Err: ErrNotRegular}
	}
	return nil
}

// isNull tells whether a file is the null device, which is empty. People write it for "no file":
// AWS_CONFIG_FILE=/dev/null.
func isNull(info fs.FileInfo) bool {
	null, err := os.Stat(os.DevNull)
	return err == nil && os.SameFile(info, null)
}

// ReadAll returns what is left to read of f, which is limit bytes at most. The errors are those of Read.
func ReadAll(ctx context.Context, f *os.File, limit int64) ([]byte, error) {
	var content bytes.Buffer
	n, err := io.Copy(&content, io.LimitReader(contextReader{ctx: ctx, r: f}, limit+1))
	if err == nil && n > limit {
		err = &TooLargeError{Limit: limit}
	}
	if pathErr := new(fs.PathError); err != nil && !errors.As(err, &pathErr) {
		err = &fs.PathError{Op: "read", Path: f.Name(), Err: err}
	}
	if err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

// contextReader stops reading when ctx has ended.
type contextReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one call of ReadAll
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
