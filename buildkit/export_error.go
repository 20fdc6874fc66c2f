package buildkit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// ExportError is an export that cannot be written.
type ExportError struct {
	Path string // of the file; "" if Err names it
	Err  error
}

// Error names the file and the cause.
func (e *ExportError) Error() string {
	if e.Path == "" {
		return e.Err.Error()
	}
	return e.Path + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *ExportError) Unwrap() error { return e.Err }

// fileError returns the file of this machine that err is about, and the cause without the name of the file. A name that
// is not absolute is one below folder. ok is false if err is about something else, such as a connection.
func fileError(folder string, err error) (path string, cause error, ok bool) {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		path, cause = failed.Path, failed.Err
	} else if failed, ok := errors.AsType[*os.LinkError](err); ok {
		path, cause = failed.New, failed.Err
	} else {
		return "", nil, false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, path)
	}
	return filepath.Clean(path), cause, true
}
