//go:build unix

package daemontest

import "syscall"

// terminate asks a process to exit.
func terminate(pid int) { _ = syscall.Kill(pid, syscall.SIGTERM) }

// isRunning reports whether there is such a process.
func isRunning(pid int) bool { return syscall.Kill(pid, 0) == nil }
