package daemon

import (
	"os"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/mountinfo"
)

// mount is one mount of this mount namespace.
type mount struct {
	target string
	kind   string // the type of the file system
}

// readMounts returns the mount table of this thread's mount namespace, in the order of mounting. It returns an *Error
// if /proc has no such table.
func readMounts() ([]mount, error) {
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, newError(NoProc, "", "the mount table: %w", err)
	}
	parsed, err := mountinfo.Parse(string(table))
	if err != nil {
		return nil, err
	}
	mounts := make([]mount, len(parsed))
	for i, m := range parsed {
		mounts[i] = mount{target: m.Target, kind: m.FSType}
	}
	return mounts, nil
}
