//go:build !windows

package source

import (
	"os"
	"syscall"
)

const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

func sentMode(m os.FileMode) os.FileMode { return m }
