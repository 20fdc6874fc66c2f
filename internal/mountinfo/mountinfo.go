// Package mountinfo reads the mount tables of Linux, /proc/PID/mountinfo: proc_pid_mountinfo(5).
package mountinfo

import (
	"fmt"
	"strings"
)

// Mount is one line of a table.
type Mount struct {
	Target string // the path at which it is mounted
	FSType string
}

// escapes are the bytes that the kernel writes in octal in a path.
var escapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// Parse returns the mounts of a table, in the order of mounting. It returns an error for a line that it does not
// understand.
func Parse(table string) ([]Mount, error) {
	var mounts []Mount
	for line := range strings.Lines(table) {
		mount, fileSystem, ok := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !ok || len(fields) < 5 {
			return nil, fmt.Errorf("the mount table has a line that is not understood: %q", line)
		}
		fsType, _, _ := strings.Cut(fileSystem, " ")
		mounts = append(mounts, Mount{Target: escapes.Replace(fields[4]), FSType: fsType})
	}
	return mounts, nil
}
