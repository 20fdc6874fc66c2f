package buildkit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ReadCounter returns a function that tells how many bytes the daemon at an endpoint and its git programs have read so far. It
// returns nil where Written does.
func ReadCounter(ctx context.Context, endpoint string) func() (bytes int64, known bool) {
	pid, ok := localDaemonPID(ctx, endpoint)
	if !ok {
		return nil
	}
	return func() (int64, bool) { return bytesRead(pid) }
}

// bytesRead returns how many bytes a daemon has read. Git receives by calls that the kernel does not count, and passes the
// data on by pipes, which it does count.
func bytesRead(daemon int) (n int64, known bool) {
	if processName(daemon) != "buildkitd" {
		return 0, false
	}
	n, known = ioCounter(daemon, "rchar")
	if !known {
		return 0, false
	}
	for _, child := range childrenOf(daemon) {
		if strings.HasPrefix(processName(child), "git") {
			n += throughput(child)
		}
	}
	return n, true
}

// throughput returns how many bytes a process and its children have read and written.
func throughput(pid int) int64 {
	read, _ := ioCounter(pid, "rchar")
	written, _ := ioCounter(pid, "wchar")
	n := read + written
	for _, child := range childrenOf(pid) {
		n += throughput(child)
	}
	return n
}

// processName returns the name of a process, "" when it has ended.
func processName(pid int) string {
	path := filepath.Join("/proc", strconv.Itoa(pid), "comm")
	name, _ := os.ReadFile(path) //nolint:forbidigo // the kernel's
	return strings.TrimSpace(string(name))
}

// ioCounter returns the number that a line of proc_pid_io(5) has.
func ioCounter(pid int, field string) (n int64, known bool) {
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

// childrenOf returns the processes that the threads of a process have started.
func childrenOf(pid int) []int {
	pattern := filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "children")
	lists, _ := filepath.Glob(pattern) // the only error is one of the pattern
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
