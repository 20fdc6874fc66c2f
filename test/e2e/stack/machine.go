//go:build linux

package stack

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// machineRole makes the test binary the first process of a command on a machine. The next arguments are the JSON of the
// machine and the command line.
const machineRole = "stack-machine"

// runOn changes a command so that the user nobody runs it on the machine.
func runOn(m daemontest.Machine, cmd *exec.Cmd) error {
	settings, err := json.Marshal(m)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd.Args = append([]string{self, machineRole, string(settings), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = self
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS
	return nil
}

// becomeCommand executes the command that runOn changed, if this process was started for one. It returns only if not.
func becomeCommand() {
	if len(os.Args) < 4 || os.Args[1] != machineRole {
		return
	}
	var m daemontest.Machine
	err := json.Unmarshal([]byte(os.Args[2]), &m)
	if err == nil {
		err = m.Become()
	}
	if err == nil {
		// The kernel forgot this signal when the user changed.
		err = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	}
	if err == nil {
		err = unix.Exec(os.Args[3], os.Args[3:], os.Environ())
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", machineRole, err)
	os.Exit(1)
}

// handOver gives all files of the stack to nobody, if nobody runs the CLI.
func (s *Stack) handOver() error {
	if s.machine == nil {
		return nil
	}
	return filepath.WalkDir(s.root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, daemontest.Nobody, daemontest.Nobody)
	})
}

// handOverFile gives a file of the stack and the folders above it to nobody, if nobody runs the CLI.
func (s *Stack) handOverFile(path string) error {
	if s.machine == nil {
		return nil
	}
	for ; path != s.root; path = filepath.Dir(path) {
		if err := os.Lchown(path, daemontest.Nobody, daemontest.Nobody); err != nil {
			return err
		}
	}
	return nil
}
