package tunnel

import (
	"context"

	"golang.org/x/sys/unix"
)

// Machine identifies the loopback of this process: that of one start of the system.
func Machine(context.Context) (string, error) {
	session, err := unix.Sysctl("kern.bootsessionuuid")
	return hash("darwin", session), err
}
