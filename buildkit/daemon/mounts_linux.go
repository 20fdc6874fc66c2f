package daemon

import (
	"os"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/mountinfo"
)

// mounted is one mount of this namespace.
type mounted struct {
	target string
	kind   string // of file system
}

// readMounts returns the mount table of this process's thread, in the order of mounting. It returns an *Error without
// /proc.
func readMounts() ([]mounted, error) {
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, newError(NoProc, "", "the mount table: %w", err)
	}
	parsed, err := mountinfo.Parse(string(table))
	if err != nil {
		return nil, err
	}
	mounts := make([]mounted, len(parsed))
	for i, m := range parsed {
		mounts[i] = mounted{target: m.Target, kind: m.FSType}
	}
	return mounts, nil
}
