package provider

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// isInteractive tells whether a person watches the CLI at a terminal.
//
// The engine does not say so, and without a terminal it prints every status line on its own line. So this looks at the
// standard output and the arguments of the process that started the plugin.
func isInteractive() bool {
	parent := fmt.Sprintf("/proc/%d", os.Getppid())
	out, err := os.Readlink(parent + "/fd/1")
	if err != nil || !strings.HasPrefix(out, "/dev/pts/") && !strings.HasPrefix(out, "/dev/tty") {
		return false
	}
	args, err := os.ReadFile(parent + "/cmdline")
	return err == nil && !bytes.Contains(args, []byte("--non-interactive"))
}
