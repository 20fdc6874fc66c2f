package source

import "golang.org/x/sys/unix"

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{
		mode: fileMode(st.Mode), size: st.Size, mtime: int64(st.Mtim.Sec), mtimeN: int64(st.Mtim.Nsec), //nolint:unconvert // 32 bits elsewhere
		ctime: st.Ctim.Nano(), inode: int64(st.Ino),
	}
}
