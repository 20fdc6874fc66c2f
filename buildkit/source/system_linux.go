package source

import (
	"os"

	"golang.org/x/sys/unix"
)

// openFolder opens a folder below root, through no link; base is the folder of root. It falls back to openStep where
// openat2(2) is missing: before Linux 5.6 and in some sandboxes.
func openFolder(root *os.Root, base *os.File, name string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	fd, err := unix.Openat2(int(base.Fd()), name, &how)
	switch err {
	case nil:
		return os.NewFile(uintptr(fd), name), nil
	case unix.ENOSYS, unix.EPERM, unix.EAGAIN, unix.EINTR:
		return openStep(root, name)
	}
	return nil, err
}

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{
		mode: fileMode(st.Mode), size: st.Size,
		mtime: int64(st.Mtim.Sec), mtimeN: int64(st.Mtim.Nsec), //nolint:unconvert // 32 bits elsewhere
		ctime: st.Ctim.Nano(), inode: int64(st.Ino),
		links: uint64(st.Nlink), device: uint64(st.Dev), //nolint:unconvert // 32 bits elsewhere
	}
}
