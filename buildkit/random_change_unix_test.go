//go:build unix

package buildkit_test

import (
	"time"

	"golang.org/x/sys/unix"
)

// attribute sets an extended attribute: a valid capability, or one of the user's own.
func (d dice) attribute(full string) error {
	if d.oneIn(3) {
		return unix.Lsetxattr(full, "trusted.note", []byte("x"), 0)
	}
	return unix.Lsetxattr(
		full, "security.capability",
		[]byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0,
	)
}

// touchLink sets the times of a link itself.
func touchLink(full string, to time.Time) error {
	stamp := unix.NsecToTimespec(to.UnixNano())
	return unix.UtimesNanoAt(unix.AT_FDCWD, full, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
}
