package daemon

import (
	"fmt"
	"os"
	"strings"
)

// mounted is one mount of this namespace.
type mounted struct {
	target string
	kind   string // of file system
}

// mountEscapes are the bytes that the mount table writes in octal.
var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// readMounts is the mount table of this process's thread, in the order of mounting.
func readMounts() ([]mounted, error) {
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("the mount table: %w; is /proc mounted?", err)
	}
	var mounts []mounted
	for line := range strings.Lines(string(table)) {
		place, file, ok := strings.Cut(line, " - ")
		fields := strings.Fields(place)
		if !ok || len(fields) < 5 {
			return nil, fmt.Errorf("the mount table has a line that is not understood: %q", line)
		}
		kind, _, _ := strings.Cut(file, " ")
		mounts = append(mounts, mounted{target: mountEscapes.Replace(fields[4]), kind: kind})
	}
	return mounts, nil
}
