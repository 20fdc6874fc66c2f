package daemon

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// startSpace is what a daemon writes before it answers, in bytes, and more.
const startSpace = 1 << 20

// diskOf returns the disk of a folder, which need not be there.
func diskOf(dir string) Disk {
	disk := Disk{Path: dir}
	for {
		var stat unix.Statfs_t
		err := unix.Statfs(dir, &stat)
		if err == nil {
			disk.Free, disk.Known = stat.Bfree*uint64(stat.Bsize), true
			if stat.Files > 0 && stat.Ffree == 0 {
				disk.Free = 0 // no file can be made
			}
			return disk
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, unix.ENOENT) || parent == dir {
			return disk
		}
		dir = parent
	}
}

// explainDisk returns err, or a *FullDiskError of it when no space is left for the folder dir: a daemon that cannot write
// a log cannot say so.
func explainDisk(dir string, err error) error {
	if err == nil {
		return nil
	}
	disk := diskOf(dir)
	full := errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
	if full || disk.Known && disk.Free < startSpace {
		return &FullDiskError{Disk: disk, Cause: err}
	}
	return err
}
