package daemon

import (
	"cmp"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"syscall"

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

// makeReserve makes the reserve if it is missing, or if it takes no space. It makes none on a disk that is small or
// nearly full.
func (f daemonFolder) makeReserve() error {
	info, err := f.Lstat(reserveFile)
	if err == nil && f.isHollow(info) {
		err = cmp.Or(f.giveUpReserve(), fs.ErrNotExist)
	}
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

// isHollow reports whether the reserve takes less than half of its size, and begins with zeros. An earlier release
// wrote zeros on a disk that cannot reserve space, and some disks compress them.
//
// The space alone does not tell: some file systems count no blocks. There a reserve of random bytes stays.
func (f daemonFolder) isHollow(info fs.FileInfo) bool {
	const block = 512 // what Stat_t counts in, whatever the disk has
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Blocks*block >= info.Size()/2 {
		return false
	}
	reserve, err := f.Open(reserveFile)
	if err != nil {
		return false
	}
	defer func() { _ = reserve.Close() }()
	var begin [4096]byte
	_, err = io.ReadFull(reserve, begin[:])
	return err == nil && begin == [4096]byte{}
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
