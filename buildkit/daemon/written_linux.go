package daemon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// written is what the process that is the daemon of this folder has written so far, without what is still in the queues of its
// connections: so far, the other side has taken it.
func (p place) written() (n int64, known bool) {
	_, daemon, err := p.pids()
	if err != nil || daemon == 0 {
		return 0, false
	}
	proc := filepath.Join("/proc", strconv.Itoa(daemon))
	// Another container that uses the folder has other process numbers.
	command, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil || !bytes.Equal(command, []byte(strings.Join(p.command(), "\x00")+"\x00")) {
		return 0, false
	}
	io, err := os.ReadFile(filepath.Join(proc, "io"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(io)) { // proc_pid_io(5)
		if _, err := fmt.Sscanf(line, "wchar: %d\n", &n); err == nil {
			return n - queued(proc), true
		}
	}
	return 0, false
}

// queued is what is on its way over the TCP connections of a process, in bytes: proc_pid_net(5). A socket takes megabytes, which a slow
// line is long about.
func queued(proc string) (n int64) {
	own := sockets(proc)
	for _, family := range []string{"tcp", "tcp6"} {
		table, err := os.ReadFile(filepath.Join(proc, "net", family))
		if err != nil {
			continue // a kernel without it
		}
		for line := range strings.Lines(string(table)) {
			fields := strings.Fields(line)
			if len(fields) < 10 || !own[fields[9]] {
				continue
			}
			sending, _, _ := strings.Cut(fields[4], ":")
			bytes, _ := strconv.ParseInt(sending, 16, 64)
			n += bytes
		}
	}
	return n
}

// sockets are the inodes of those that a process has open.
func sockets(proc string) map[string]bool {
	own := map[string]bool{}
	descriptors, _ := os.ReadDir(filepath.Join(proc, "fd")) // what is not there has nothing queued
	for _, d := range descriptors {
		target, _ := os.Readlink(filepath.Join(proc, "fd", d.Name()))
		if inode, is := strings.CutPrefix(target, "socket:["); is {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return own
}
