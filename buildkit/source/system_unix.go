//go:build !windows

package source

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// openFlags follow no link at the end of a path, and do not wait for a FIFO in the place of a file.
const openFlags = unix.O_NOFOLLOW | noWait

// hasChangeTimes says that lstat fills in change times and inodes.
const hasChangeTimes = true

// noWait opens a FIFO without waiting for a writer.
const noWait = unix.O_NONBLOCK

// openStep opens a folder below root, with a system call for each part of the path. The last part must not be a
// link.
//
// The result is a file that does not know that it is in a root. A file that does would lstat every child when it lists
// them, which the walk does itself.
func openStep(root *os.Root, name string) (*os.File, error) {
	rooted, err := root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rooted.Close() }()
	fd, err := unix.FcntlInt(rooted.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(root.Name(), filepath.FromSlash(name))), nil
}

// lstat describes a child of a folder. Like openAt and readLink it goes through the descriptor of the folder.
// Whatever becomes of the path meanwhile, it finds a child of the folder that was listed.
func lstat(dir *os.File, child fs.DirEntry) (fileInfo, error) {
	var st unix.Stat_t
	fstatat := func() error { return unix.Fstatat(int(dir.Fd()), child.Name(), &st, unix.AT_SYMLINK_NOFOLLOW) }
	if err := retry(fstatat); err != nil {
		return fileInfo{}, err
	}
	return infoOf(&st), nil
}

// identify returns the device and the inode of the folder at a path, through links. It returns false if there is
// none.
func identify(name string) (fileID, bool) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Stat(name, &st) }); err != nil {
		return fileID{}, false
	}
	info := infoOf(&st)
	return fileID{device: info.device, inode: info.inode}, info.mode.IsDir()
}

// openAt opens a file in a folder.
func openAt(dir *os.File, name string) (*os.File, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC|openFlags, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// readLink fills in the text of a link in a folder.
func readLink(dir *os.File, name string, e *entry) error {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), name, buffer)
	if err != nil {
		return err
	}
	e.link, e.size = string(buffer[:n]), int64(n)
	return nil
}

// retry repeats what a signal interrupted, as Go's own calls do.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR { //nolint:errorlint // a bare errno
			return err
		}
	}
}

// fileMode returns a Unix mode in Go's layout.
func fileMode(bits uint32) fs.FileMode {
	mode := fs.FileMode(bits & 0o777)
	switch bits & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFREG:
	default:
		mode |= fs.ModeIrregular
	}
	if bits&unix.S_ISUID != 0 {
		mode |= fs.ModeSetuid
	}
	if bits&unix.S_ISGID != 0 {
		mode |= fs.ModeSetgid
	}
	if bits&unix.S_ISVTX != 0 {
		mode |= fs.ModeSticky
	}
	return mode
}
