//go:build linux

package daemon_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// ordinaryVariable is the environment variable that makes a client process run as nobody. Its value is the JSON of a
// daemontest.Machine.
const ordinaryVariable = "DAEMON_TEST_ORDINARY"

// ordinaryHome returns a home folder of the user nobody, and a copy of this program that this user can run. It skips
// the test if the user nobody cannot run the programs of the daemon, or cannot make user namespaces.
func ordinaryHome(t *testing.T) (home, program string) {
	t.Helper()
	skipWithoutDaemon(t)
	bin, err := filepath.Abs("../../bin")
	must(t, err)
	daemontest.SkipWithoutNamespaces(t, bin)
	dir := t.TempDir()
	home, program = filepath.Join(dir, "home"), filepath.Join(dir, "program")
	self, err := os.Executable()
	must(t, err)
	// Another process copies it: a child that this one starts at the same time would hold it open for writing.
	must(t, exec.CommandContext(t.Context(), "cp", self, program).Run(), os.Chmod(program, 0o755),
		os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755),
		os.Mkdir(home, 0o700), os.Chown(home, daemontest.Nobody, daemontest.Nobody))
	return home, program
}

// startOrdinary starts a client of the user nobody on the machine, and a daemon in the folder d of the home.
func startOrdinary(
	t *testing.T, m daemontest.Machine, home, program string, idle time.Duration, environ ...string,
) clientProcess {
	t.Helper()
	settings, err := json.Marshal(m)
	must(t, err)
	temp := filepath.Join(home, "tmp")
	if err := os.Mkdir(temp, 0o700); err == nil {
		must(t, os.Chown(temp, daemontest.Nobody, daemontest.Nobody))
	}
	stopDaemonAtCleanup(t, filepath.Join(home, "d"))
	environ = append([]string{ordinaryVariable + "=" + string(settings), "HOME=" + home, "TMPDIR=" + temp}, environ...)
	return startProgram(t, program, filepath.Join(home, "d"), idle, environ...)
}

// ordinaryError starts a client of the user nobody that gets no daemon, and returns what it prints.
func ordinaryError(t *testing.T, m daemontest.Machine, environ ...string) string {
	t.Helper()
	home, program := ordinaryHome(t)
	c := startOrdinary(t, m, home, program, time.Minute, environ...)
	output, err := io.ReadAll(c.output)
	if err != nil || strings.HasPrefix(string(output), "unix://") {
		t.Fatalf("the daemon started: %s (%v)", output, err)
	}
	return string(output)
}

// becomeOrdinary does what ordinaryVariable asks for: this process starts anew as one of nobody's.
func becomeOrdinary() error {
	text := os.Getenv(ordinaryVariable)
	if text == "" {
		return nil
	}
	var m daemontest.Machine
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	if err := m.Become(); err != nil {
		return fmt.Errorf("become user %d: %w", daemontest.Nobody, err)
	}
	self, err := os.Executable()
	if err == nil {
		err = os.Unsetenv(ordinaryVariable)
	}
	if err != nil {
		return err
	}
	return unix.Exec(self, os.Args, os.Environ())
}
