package daemon

import (
	"fmt"

	"github.com/docker/go-units"
)

// Disk is the disk (file system) of a daemon's folder.
type Disk struct {
	Path string // of the folder
	Free uint64 // in bytes
	// Known: Free could be read.
	Known bool
}

// String names the folder and says how much is free.
func (d Disk) String() string {
	if !d.Known {
		return d.Path
	}
	return fmt.Sprintf("%s has %s free", d.Path, units.BytesSize(float64(d.Free)))
}

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
