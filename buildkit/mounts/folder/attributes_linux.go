package folder

import (
	"archive/tar"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// xattrPrefix comes before the name of an extended attribute in a tar header, as in every other archive.
const xattrPrefix = "SCHILY.xattr."

// addAttributes adds the extended attributes that a step may set. A file system without any has none.
func addAttributes(path string, header *tar.Header) {
	names := make([]byte, 1<<16) // the most that the kernel returns
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return
	}
	for _, name := range strings.Split(string(names[:n]), "\x00") {
		if !travels(name) {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			continue
		}
		if header.PAXRecords == nil {
			header.PAXRecords = map[string]string{}
		}
		header.PAXRecords[xattrPrefix+name] = string(value[:n])
	}
}

// travels reports whether an extended attribute means the same on another builder.
func travels(attribute string) bool {
	return strings.HasPrefix(attribute, "user.") || attribute == "security.capability"
}

// setOwner sets owner, mode and attributes, in this order: a new owner takes setuid and capabilities away.
func setOwner(f *os.File, h *tar.Header) error {
	if err := f.Chown(h.Uid, h.Gid); err != nil {
		return err
	}
	if err := unix.Fchmod(int(f.Fd()), uint32(h.Mode)); err != nil {
		return err
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, xattrPrefix); ok && travels(name) {
			_ = unix.Fsetxattr(int(f.Fd()), name, []byte(value), 0) // not every file system has attributes
		}
	}
	return nil
}
