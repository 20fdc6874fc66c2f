package source

import (
	"os"

	"golang.org/x/sys/unix"
)

func openFolder(root *os.Root, _ *os.File, name string) (*os.File, error) {
	return openStep(root, name)
}

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{
		mode: fileMode(uint32(st.Mode)), size: st.Size, mtime: st.Mtim.Sec, mtimeN: st.Mtim.Nsec,
		ctime: st.Ctim.Nano(), inode: int64(st.Ino), links: uint64(st.Nlink), device: uint64(st.Dev),
	}
}
