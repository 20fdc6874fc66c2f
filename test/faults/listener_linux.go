package faults

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A notification is what the kernel tells of a call: struct seccomp_notif.
type notification struct {
	id           uint64
	pid          uint32 // of the thread
	flags        uint32
	number       int32
	architecture uint32
	instruction  uint64
	args         [6]uint64
}

// An answer is what the kernel shall do with a call: struct seccomp_notif_resp.
type answer struct {
	id    uint64
	value int64
	errno int32 // negative, or 0
	flags uint32
}

// A listener gets the calls of one supervised process, and of all that it starts.
type listener struct {
	fd   int
	wake int // an eventfd that ends wait
	pid  int // of the supervised process
}

// wait returns the next call. It returns false when no process has the filter anymore, or after end.
func (l *listener) wait() (*notification, bool) {
	for {
		polled := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(l.wake), Events: unix.POLLIN}}
		_, err := unix.Poll(polled, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil, polled[1].Revents != 0, polled[0].Revents&unix.POLLIN == 0:
			return nil, false
		}
		n := new(notification)
		_, _, failure := unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_RECV,
			uintptr(unsafe.Pointer(n)))
		switch failure {
		case 0:
			return n, true
		case unix.EINTR, unix.ENOENT: // the process has ended meanwhile
		default:
			return nil, false
		}
	}
}

// send answers a call. A process that has ended meanwhile needs no answer.
func (l *listener) send(a answer) {
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(l.fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(&a)))
}

// pass lets the kernel do the call.
func (l *listener) pass(n *notification) {
	l.send(answer{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// fail makes the call return an error.
func (l *listener) fail(n *notification, errno unix.Errno) {
	l.send(answer{id: n.id, errno: -int32(errno)})
}

// isSupervised tells whether a thread is the supervised process's own. The processes that it starts have the filter as
// well, but are left alone.
func (l *listener) isSupervised(thread uint32) bool {
	if int(thread) == l.pid {
		return true
	}
	return unix.Access(fmt.Sprintf("/proc/%d/task/%d", l.pid, thread), unix.F_OK) == nil
}

// end makes wait return false.
func (l *listener) end() { _, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// close closes the listener. Calls of processes that still have the filter then fail.
func (l *listener) close() { _ = errors.Join(unix.Close(l.fd), unix.Close(l.wake)) }

// receiveListener reads the listener that a launcher sends over a connection.
func receiveListener(connection int) (*listener, error) {
	peer, err := unix.GetsockoptUcred(connection, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return nil, err
	}
	data, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, size, _, _, err := unix.Recvmsg(connection, data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:size])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("process %d sent no listener: %w", peer.Pid, errors.Join(err, os.ErrInvalid))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	// If the kernel has it, the two processes take turns on one processor, which is faster.
	_ = unix.IoctlSetInt(fds[0], unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(err, unix.Close(fds[0]))
	}
	return &listener{fd: fds[0], wake: wake, pid: int(peer.Pid)}, nil
}
