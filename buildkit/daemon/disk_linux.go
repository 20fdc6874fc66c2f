package daemon

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// folderDisk returns the disk of a folder. If the folder does not exist, that is the disk of the folder above.
func folderDisk(dir string) Disk {
	disk := Disk{Path: dir}
	for {
		var stat unix.Statfs_t
		err := unix.Statfs(dir, &stat)
		if err == nil {
			// Not Bfree: ext4 counts blocks there that it gives to no file.
			disk.Size, disk.Free = stat.Blocks*uint64(stat.Bsize), stat.Bavail*uint64(stat.Bsize)
			disk.Files, disk.FreeFiles = stat.Files, stat.Ffree
			disk.NoFiles = stat.Files > 0 && stat.Ffree == 0
			disk.ReadOnly, disk.Known = stat.Flags&unix.ST_RDONLY != 0, true
			return disk
		}
		parent := filepath.Dir(dir)
		if !errors.Is(err, unix.ENOENT) || parent == dir {
			return disk
		}
		dir = parent
	}
}

// withDisk returns err, wrapped in a *FullDiskError if no space is left for the folder dir.
//
// A daemon that cannot write to its log cannot say itself that the disk is full.
func withDisk(dir string, err error) error {
	if err == nil {
		return nil
	}
	disk := folderDisk(dir)
	full := errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
	if full || disk.IsFull() {
		return &FullDiskError{Disk: disk, Cause: err}
	}
	return err
}

// diskSize returns the size in bytes of the disk of the folder.
func diskSize(f daemonFolder) (int64, error) {
	folder, path, err := f.Handle()
	if err != nil {
		return 0, err
	}
	defer func() { _ = folder.Close() }()
	var disk unix.Statfs_t
	if err := unix.Statfs(path, &disk); err != nil {
		return 0, fmt.Errorf("%s: %w", f.Path(), err)
	}
	return int64(disk.Blocks) * disk.Bsize, nil
}
