package source

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/mountinfo"
)

// isLocal tells whether a file system changes through this kernel alone, and keeps the change time of what is written
// through mapped memory. tmpfs does not keep it.
func isLocal(system unix.Statfs_t) bool {
	switch uint32(system.Type) {
	case unix.EXT4_SUPER_MAGIC, // also that of ext2 and ext3
		unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC:
		return true
	}
	return false
}

// readMounts returns the table of mounts that this process sees, or "" when it cannot be read: proc_pid_mountinfo(5).
func readMounts() string {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	return string(table)
}

// hasMountBelow tells whether something is mounted below dir. It returns true also for a table that it does not
// understand.
func hasMountBelow(table, dir string) bool {
	mounts, err := mountinfo.Parse(table)
	below := strings.TrimSuffix(dir, "/") + "/"
	return err != nil || slices.ContainsFunc(mounts, func(m mountinfo.Mount) bool {
		return len(m.Target) > len(below) && strings.HasPrefix(m.Target, below)
	})
}
