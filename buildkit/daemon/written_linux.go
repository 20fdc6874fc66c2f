package daemon

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// written is what the process that is the daemon of this folder has written so far, sockets included: proc_pid_io(5).
func (p place) written() (n int64, known bool) {
	_, daemon, err := p.pids()
	if err != nil || daemon == 0 {
		return 0, false
	}
	// Another container that uses the folder has other process numbers.
	command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", daemon))
	if err != nil || !bytes.Equal(command, []byte(strings.Join(p.command(), "\x00")+"\x00")) {
		return 0, false
	}
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", daemon))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(io)) {
		if _, err := fmt.Sscanf(line, "wchar: %d\n", &n); err == nil {
			return n, true
		}
	}
	return 0, false
}
