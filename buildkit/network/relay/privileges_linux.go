package relay

import (
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	nobody = 65534 // user and group

	// The collector works harder near the first limit; beyond the second the kernel refuses, and the process ends.
	softMemory, hardMemory = 512 << 20, 1 << 30

	openFiles = 8192 // connections, exchanges, questions to each resolver, devices
)

// limit bounds the memory of this process, which steps can fill.
func limit() error {
	debug.SetMemoryLimit(softMemory)
	memory := unix.Rlimit{Cur: hardMemory, Max: hardMemory}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &memory); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	files := syscall.Rlimit{Cur: openFiles, Max: openFiles}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("limit open files: %w", err)
	}
	return nil
}

// dropPrivileges makes all threads those of a user that owns nothing. The kernel then drops every capability, and no
// other process of that user may trace this one.
func dropPrivileges() error {
	if _, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("no new privileges: %w", errno)
	}
	if unix.Geteuid() != 0 {
		return nil
	}
	err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody))
	if err != nil {
		return fmt.Errorf("become user %d: %w", nobody, err)
	}
	return nil
}
