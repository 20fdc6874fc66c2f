package source

import "golang.org/x/sys/unix"

func infoOf(st *unix.Stat_t) fileInfo {
	return fileInfo{
		mode: fileMode(uint32(st.Mode)), size: st.Size, mtime: st.Mtim.Sec, mtimeN: st.Mtim.Nsec,
		ctime: st.Ctim.Nano(), inode: int64(st.Ino),
	}
}
