package source

import (
	"bytes"
	"encoding/binary"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// watchedEvents are the events that a queue asks for. IN_UNMOUNT, IN_IGNORED and IN_Q_OVERFLOW come by themselves. The
// folder above reports what becomes of a folder itself.
const watchedEvents = unix.IN_ONLYDIR | unix.IN_OPEN | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE |
	unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVE

// harmlessEvents are the events that are no change.
const harmlessEvents = unix.IN_OPEN | unix.IN_ISDIR

// event is what the kernel reports of one folder or of a name in it: inotify(7).
type event struct {
	folder int32
	mask   uint32
	name   string // "" is the folder itself
}

// eventQueue is an inotify instance.
type eventQueue struct {
	file *os.File
	conn syscall.RawConn // of file
}

func newEventQueue() (*eventQueue, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return nil, err
	}
	q := &eventQueue{file: os.NewFile(uintptr(fd), "inotify")}
	if q.conn, err = q.file.SyscallConn(); err == nil {
		err = unix.SetNonblock(fd, true) // not before NewFile: every event would wake Go's poller
	}
	if err != nil {
		q.close()
		return nil, err
	}
	return q, nil
}

func (q *eventQueue) close() { _ = q.file.Close() }

// add watches a folder. Its events have the number that add returns.
func (q *eventQueue) add(path string) (folder int32, err error) {
	var number int
	closed := q.conn.Control(func(fd uintptr) { number, err = unix.InotifyAddWatch(int(fd), path, watchedEvents) })
	if closed != nil {
		return 0, closed
	}
	return int32(number), err
}

// drain removes the events that are queued, without waiting for more, and hands each to do. At the first event of a
// change it returns false.
func (q *eventQueue) drain(do func(event)) bool {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	for {
		n, err := q.read(*buffer)
		if err == unix.EAGAIN { //nolint:errorlint // a bare errno
			return true
		}
		if err != nil || n <= 0 || !parseEvents((*buffer)[:n], do) {
			return false
		}
	}
}

func (q *eventQueue) read(buffer []byte) (n int, err error) {
	closed := q.conn.Read(func(fd uintptr) bool {
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

// parseEvents hands each event to do. It returns false at the first event of a change.
func parseEvents(queued []byte, do func(event)) bool {
	for len(queued) >= unix.SizeofInotifyEvent {
		e := event{folder: int32(binary.NativeEndian.Uint32(queued)), mask: binary.NativeEndian.Uint32(queued[4:])}
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(queued[12:]))
		if e.mask&^harmlessEvents != 0 || end > len(queued) {
			return false
		}
		e.name = string(bytes.TrimRight(queued[unix.SizeofInotifyEvent:end], "\x00"))
		do(e)
		queued = queued[end:]
	}
	return len(queued) == 0
}
