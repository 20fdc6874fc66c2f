package daemon

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// reserveFile takes space that is given up when the disk is full. Without it, BuildKit could not even remove its cache:
// its databases have to be written for that.
const reserveFile = "reserve"

const (
	reserveLimit = 64 << 20 // bytes, on a large disk
	reserveShare = 20       // on a small disk, the reserve is one of so many parts
	reserveMin   = 1 << 20  // a smaller reserve is not made
)

// makeReserve makes the reserve if it is missing. It makes none on a disk that is small or nearly full.
func (f daemonFolder) makeReserve() error {
	_, err := f.Lstat(reserveFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	disk := folderDisk(f.Path())
	size := min(disk.Size/reserveShare, reserveLimit)
	if size < reserveMin || disk.Free < 3*size {
		return nil
	}
	reserve, err := f.Create(reserveFile)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(reserve.Fd()), 0, 0, int64(size))
	if errors.Is(err, unix.EOPNOTSUPP) {
		_, err = io.CopyN(reserve, rand.Reader, int64(size)) // zeros take no space where files are compressed
	}
	if err = errors.Join(err, reserve.Close()); err != nil {
		return errors.Join(err, f.giveUpReserve())
	}
	return nil
}

// giveUpReserve removes the reserve.
func (f daemonFolder) giveUpReserve() error { return f.Remove(reserveFile) }

// giveUpReserveIfFull removes the reserve if a daemon could not start otherwise. The daemon removes cache soon after it
// has started, and the next keeper makes the reserve again.
func (f daemonFolder) giveUpReserveIfFull() error {
	if disk := folderDisk(f.Path()); !disk.Known || !disk.NoFiles && disk.Free >= reserveMin+startSpace {
		return nil
	}
	return f.giveUpReserve()
}
