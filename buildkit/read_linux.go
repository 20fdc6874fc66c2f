package buildkit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Read tells how many bytes the daemon at an endpoint and the git programs that it runs have read so far, from whomever. It is
// known where Written is.
func Read(ctx context.Context, endpoint string) func() (bytes int64, known bool) {
	pid, ok := localDaemon(ctx, endpoint)
	if !ok {
		return nil
	}
	return func() (int64, bool) { return readBy(pid) }
}

// readBy is what a daemon has read. Its git programs pass on by pipes what they receive by calls that the kernel does not count.
func readBy(daemon int) (n int64, known bool) {
	if command(daemon) != "buildkitd" {
		return 0, false
	}
	n, known = ioOf(daemon, "rchar")
	if !known {
		return 0, false
	}
	for _, child := range children(daemon) {
		if strings.HasPrefix(command(child), "git") {
			n += throughput(child)
		}
	}
	return n, true
}

// throughput is what a process and those that it has started have read and written.
func throughput(pid int) int64 {
	read, _ := ioOf(pid, "rchar")
	written, _ := ioOf(pid, "wchar")
	n := read + written
	for _, child := range children(pid) {
		n += throughput(child)
	}
	return n
}

func command(pid int) string {
	name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm")) //nolint:forbidigo // the kernel's; gone: no name
	return strings.TrimSpace(string(name))
}

// ioOf is a line of proc_pid_io(5).
func ioOf(pid int, field string) (n int64, known bool) {
	io, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "io")) //nolint:forbidigo // the kernel's
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(io)) {
		if _, err := fmt.Sscanf(line, field+": %d\n", &n); err == nil {
			return n, true
		}
	}
	return 0, false
}

// children are the processes that the threads of a process have started.
func children(pid int) []int {
	lists, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children")) // the pattern is a good one
	var found []int
	for _, list := range lists {
		text, err := os.ReadFile(list) //nolint:forbidigo // the kernel's
		if err != nil {
			continue
		}
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}
