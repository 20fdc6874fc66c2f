package provider

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// isInteractive tells whether a person watches the CLI at a terminal. The engine does not say, and prints every status line
// on a line of its own where there is none; so ask the process that started us.
func isInteractive() bool {
	parent := fmt.Sprintf("/proc/%d", os.Getppid())
	out, err := os.Readlink(parent + "/fd/1")
	if err != nil || !strings.HasPrefix(out, "/dev/pts/") && !strings.HasPrefix(out, "/dev/tty") {
		return false
	}
	args, err := os.ReadFile(parent + "/cmdline")
	return err == nil && !bytes.Contains(args, []byte("--non-interactive"))
}
