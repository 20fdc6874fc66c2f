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

// RunKeeper never handles args: there is no keeper without a daemon.
func RunKeeper([]string) (handled bool, exitCode int) { return false, 0 }

// MissingEmulator never says so: the daemon that runs the steps is elsewhere.
func MissingEmulator(string) (pkg string, missing bool) { return "", false }
