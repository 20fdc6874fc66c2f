package faults

import "golang.org/x/sys/unix"

// A call is a system call that works on a file.
type call struct {
	name      string
	at        int  // the argument that is the folder which the path in the next argument begins in, or -1
	fd        int  // the argument that is the file, or -1
	writes    int  // the argument that is the size of what is written, or -1; the bytes are in the one before
	allocates bool // it may need space on the disk
	opens     bool
}

// calls has every call that is counted, by its number. Each exists on amd64 and arm64.
var calls = map[uintptr]call{
	unix.SYS_OPENAT:          openCall,
	unix.SYS_OPENAT2:         openCall,
	unix.SYS_MKDIRAT:         pathCall("make folder", 0, needsSpace),
	unix.SYS_RENAMEAT:        pathCall("rename to", 2, needsSpace),
	unix.SYS_RENAMEAT2:       pathCall("rename to", 2, needsSpace),
	unix.SYS_LINKAT:          pathCall("link", 2, needsSpace),
	unix.SYS_SYMLINKAT:       pathCall("make symbolic link", 1, needsSpace),
	unix.SYS_UNLINKAT:        pathCall("remove", 0, needsNoSpace),
	unix.SYS_FCHMODAT:        pathCall("change mode of", 0, needsNoSpace),
	unix.SYS_FCHOWNAT:        pathCall("change owner of", 0, needsNoSpace),
	unix.SYS_UTIMENSAT:       pathCall("change times of", 0, needsNoSpace),
	unix.SYS_WRITE:           writeCall,
	unix.SYS_PWRITE64:        writeCall,
	unix.SYS_WRITEV:          fileCall("write", 0, needsSpace),
	unix.SYS_PWRITEV:         fileCall("write", 0, needsSpace),
	unix.SYS_SENDFILE:        fileCall("write", 0, needsSpace),
	unix.SYS_COPY_FILE_RANGE: fileCall("write", 2, needsSpace),
	unix.SYS_FALLOCATE:       fileCall("allocate", 0, needsSpace),
	unix.SYS_FTRUNCATE:       fileCall("truncate", 0, needsSpace),
	unix.SYS_FSYNC:           fileCall("sync", 0, needsSpace),
	unix.SYS_FDATASYNC:       fileCall("sync", 0, needsSpace),
	unix.SYS_FCHMOD:          fileCall("change mode of", 0, needsNoSpace),
	unix.SYS_FCHOWN:          fileCall("change owner of", 0, needsNoSpace),
	unix.SYS_FLOCK:           fileCall("lock", 0, needsNoSpace),
	unix.SYS_GETDENTS64:      fileCall("list", 0, needsNoSpace),
}

// Whether a call may need space on the disk.
const (
	needsSpace   = true
	needsNoSpace = false
)

var (
	openCall  = call{name: "open", at: 0, fd: -1, writes: -1, opens: true}
	writeCall = call{name: "write", at: -1, fd: 0, writes: 2, allocates: needsSpace}
)

func pathCall(name string, at int, allocates bool) call {
	return call{name: name, at: at, fd: -1, writes: -1, allocates: allocates}
}

func fileCall(name string, fd int, allocates bool) call {
	return call{name: name, at: -1, fd: fd, writes: -1, allocates: allocates}
}
