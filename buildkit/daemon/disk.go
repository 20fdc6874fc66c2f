package daemon

import (
	"fmt"

	"github.com/docker/go-units"
)

// Disk is the disk (file system) of a daemon's folder.
type Disk struct {
	Path string // of the folder
	Size uint64 // in bytes
	Free uint64 // in bytes, without what the file system keeps for root
	// Files is how many inodes there are, and FreeFiles how many of them are free. Both are 0 if there is no limit.
	Files, FreeFiles uint64
	// NoFiles: no file can be made, because the file system has no inodes left.
	NoFiles  bool
	ReadOnly bool
	// Known: the other fields could be read.
	Known bool
}

// String names the folder and says how much is free.
func (d Disk) String() string {
	switch {
	case !d.Known:
		return d.Path
	case d.ReadOnly:
		return d.Path + " is on a read-only file system"
	case d.NoFiles:
		return d.Path + " is on a file system without free inodes, so no file can be made"
	}
	return fmt.Sprintf("%s has %s free", d.Path, units.BytesSize(float64(d.Free)))
}

// IsFull reports whether no file can be written.
func (d Disk) IsFull() bool { return d.Known && (d.NoFiles || d.Free < startSpace) }

// startSpace is more than the number of bytes that a daemon writes before it answers.
const startSpace = 1 << 20

// FullDiskError says that the embedded daemon did not start, and that its disk has no space left.
type FullDiskError struct {
	Disk
	Cause error
}

// Error returns the cause, and the disk in a second line.
func (e *FullDiskError) Error() string {
	return fmt.Sprintf("%v\nits disk is full: %v", e.Cause, e.Disk)
}

// Unwrap returns the cause.
func (e *FullDiskError) Unwrap() error { return e.Cause }
