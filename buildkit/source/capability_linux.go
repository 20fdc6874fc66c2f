package source

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

const capabilityXattr = "security.capability"

// capability is the file's security.capability, the one extended attribute that a build context carries; nil when it has
// none or the file system knows none.
func capability(f *os.File) ([]byte, error) {
	buf := make([]byte, 64) // the kernel's largest, VFS_CAP_REVISION_3, has 24 bytes
	n, err := unix.Fgetxattr(int(f.Fd()), capabilityXattr, buf)
	if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}
