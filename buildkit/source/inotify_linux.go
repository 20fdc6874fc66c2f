package source

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/mountinfo"
)

// event is what the kernel tells of one directory or of a name in it: inotify(7).
type event struct {
	folder int32
	mask   uint32
	name   string // "" is the directory itself
}

// harmlessEvents are the reports that are no change.
const harmlessEvents = unix.IN_OPEN | unix.IN_ISDIR

// drain takes what is queued, without waiting for more, and hands what is harmless to each. It returns false at the first
// report of a change.
func (w *Watch) drain(each func(event)) bool {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	for {
		n, err := w.read(*buffer)
		if err == unix.EAGAIN { //nolint:errorlint // a bare errno
			return true
		}
		if err != nil || n <= 0 || !parseEvents((*buffer)[:n], each) {
			return false
		}
	}
}

func (w *Watch) read(buffer []byte) (n int, err error) {
	closed := w.conn.Read(func(fd uintptr) bool {
		err = retry(func() (err error) {
			n, err = unix.Read(int(fd), buffer)
			return err
		})
		return true
	})
	if closed != nil {
		return 0, closed
	}
	return n, err
}

func parseEvents(queued []byte, each func(event)) bool {
	for len(queued) >= unix.SizeofInotifyEvent {
		r := event{folder: int32(binary.NativeEndian.Uint32(queued)), mask: binary.NativeEndian.Uint32(queued[4:])}
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(queued[12:]))
		if r.mask&^harmlessEvents != 0 || end > len(queued) {
			return false
		}
		r.name = string(bytes.TrimRight(queued[unix.SizeofInotifyEvent:end], "\x00"))
		each(r)
		queued = queued[end:]
	}
	return len(queued) == 0
}

// canWatch tells whether whatever changes in the root is changed through this kernel and by the names that the scan sees,
// and notes where the root is.
func (w *Watch) canWatch() bool {
	var system unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(w.base.Fd()), &system) }); err != nil || !isLocal(system) {
		return false
	}
	w.mounts = readMounts()
	place, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(w.base.Fd())))
	if err != nil || w.mounts == "" || hasMountBelow(w.mounts, place) {
		return false
	}
	w.root, err = w.base.Stat()
	return err == nil
}

// isLocal tells whether a file system changes through this kernel alone, and keeps the change time of what is written through
// mapped memory; tmpfs does not.
func isLocal(system unix.Statfs_t) bool {
	switch uint32(system.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC: // ext4's is that of ext2 and ext3
		return true
	}
	return false
}

// readMounts is the table of mounts that this process sees, "" when it cannot be read: proc_pid_mountinfo(5).
func readMounts() string {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	return string(table)
}

// hasMountBelow tells whether something is mounted below dir, also when the table is not understood.
func hasMountBelow(table, dir string) bool {
	mounts, err := mountinfo.Parse(table)
	below := strings.TrimSuffix(dir, "/") + "/"
	return err != nil || slices.ContainsFunc(mounts, func(m mountinfo.Mount) bool {
		return len(m.Target) > len(below) && strings.HasPrefix(m.Target, below)
	})
}
