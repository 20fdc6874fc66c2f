package source

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// FileChange says what became of a file.
type FileChange string

// The changes of a file.
const (
	Grew       FileChange = "grew"
	Shrank     FileChange = "shrank"
	Rewritten  FileChange = "rewritten"    // other bytes, as many as before
	Vanished   FileChange = "vanished"     // or something above it
	Replaced   FileChange = "replaced"     // by a folder, a link or something else that is no file
	Unreadable FileChange = "not readable" // any more
)

// ChangedError says that a file is not what was recorded of it, or that it changed while it was recorded.
type ChangedError struct {
	Source  string // the local source, "" while it is recorded
	Path    string // from the root of the tree, with slashes
	Change  FileChange
	hashing bool // it changed while it was recorded, not before it was sent
	cause   error
}

func (e *ChangedError) Error() string {
	if e.hashing {
		return fmt.Sprintf("%s: changed while the build context was read: %v", e.Path, e.cause)
	}
	return fmt.Sprintf("%s changed between hashing and sending (%v): nothing was pushed", e.Path, e.cause)
}

func (e *ChangedError) Unwrap() error { return e.cause }

// newChangedError returns the error about a recorded file that cannot be opened or read as it was.
func newChangedError(name string, cause error) *ChangedError {
	return &ChangedError{Path: name, Change: changeOf(cause), cause: cause}
}

// changeOf returns what an error of a file system says of a file that was there.
func changeOf(err error) FileChange {
	if size, ok := errors.AsType[*sizeError](err); ok {
		return size.change()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Vanished
	case errors.Is(err, errNoFile), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENOTDIR),
		errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENXIO):
		return Replaced
	}
	return Unreadable
}

// errNoFile says that something else has a file's name.
var errNoFile = errors.New("no longer a file")

// sizeError says that a file has other content. It holds the number of bytes that were recorded, and that are there.
type sizeError struct{ was, now int64 }

func (e *sizeError) Error() string {
	switch e.change() {
	case Grew:
		return fmt.Sprintf("it grew past %d bytes", e.was)
	case Shrank:
		return fmt.Sprintf("it shrank from %d to %d bytes", e.was, e.now)
	}
	return fmt.Sprintf("other content in the same %d bytes", e.was)
}

// change returns Rewritten for other bytes, as many as before.
func (e *sizeError) change() FileChange {
	switch {
	case e.now > e.was:
		return Grew
	case e.now < e.was:
		return Shrank
	}
	return Rewritten
}
