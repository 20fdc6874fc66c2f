//go:build !linux

package daemon

import (
	"context"
	"runtime"
)

// Acquire returns an *Error: the embedded daemon needs Linux.
func Acquire(context.Context, Options) (*Lease, error) {
	return nil, newError(NotLinux, "", "the embedded BuildKit daemon runs on Linux, and this is %s", runtime.GOOS)
}

// Rootless returns false: there is no daemon.
func Rootless() bool { return false }

// IsRole reports that no process has a role.
func IsRole([]string) bool { return false }

// RunRole reports that it did not handle args: on this system no process has a role, because there is no daemon.
func RunRole([]string) (handled bool, exitCode int) { return false, 0 }

// MissingEmulator reports false: the daemon that runs the steps is elsewhere.
func MissingEmulator(string) (pkg string, missing bool) { return "", false }
