package faults

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Environment variables that make a test program the launcher of another program.
const (
	socketVariable  = "FAULTS_SOCKET"  // where the supervisor listens
	programVariable = "FAULTS_PROGRAM" // the program to become
)

// Launch makes this process the program that Files supervises, if Files has started this process in place of the
// program, and does not return then. TestMain calls it first.
//
// It installs a filter of system calls, sends the filter's listener to the supervisor, and executes the program.
func Launch() {
	if os.Getenv(programVariable) == "" {
		return
	}
	fmt.Fprintln(os.Stderr, "the launcher of the supervised program:", launch())
	os.Exit(1)
}

func launch() error {
	socket, program := os.Getenv(socketVariable), os.Getenv(programVariable)
	if err := errors.Join(os.Unsetenv(socketVariable), os.Unsetenv(programVariable)); err != nil {
		return err
	}
	runtime.LockOSThread() // the filter is this thread's, and execve keeps that of the thread that calls it
	supervisor, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Connect(supervisor, &unix.SockaddrUnix{Name: socket}); err != nil {
		return fmt.Errorf("%s: %w", socket, err)
	}
	listener, err := installFilter()
	if err != nil {
		return fmt.Errorf("the kernel refused the filter: %w", err)
	}
	if err := unix.Sendmsg(supervisor, []byte{0}, unix.UnixRights(listener), nil, 0); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", program, syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ()))
}

// installFilter installs the filter for this thread and returns its listener.
func installFilter() (listener int, err error) {
	if os.Geteuid() != 0 {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return 0, err
		}
	}
	filter := callFilter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Without the second flag, a signal would repeat a call that was counted already.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	fd, _, failure := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags,
		uintptr(unsafe.Pointer(&program)))
	if failure != 0 {
		return 0, failure
	}
	return int(fd), nil
}

// callFilter returns a filter that asks the supervisor about the calls in the table, and lets all others pass.
func callFilter() []unix.SockFilter {
	const (
		number       = 0 // offsets in what the kernel tells of a call
		architecture = 4
	)
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: architecture},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: auditArchitecture},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
	}
	left := uint8(len(calls)) // instructions up to the last one
	for call := range calls {
		filter = append(filter, unix.SockFilter{
			Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: left, K: uint32(call),
		})
		left--
	}
	return append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
}
