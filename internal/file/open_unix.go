//go:build unix

package file

import "syscall"

// noWait keeps the opening of a FIFO from waiting for a writer.
const noWait = syscall.O_NONBLOCK

// noFollow refuses a link at the end of a path.
const noFollow = syscall.O_NOFOLLOW
