//go:build linux

package daemon_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// clientRole makes the test binary a client process: see runClient.
const clientRole = "daemon-test-client"

// deviceVariable names the environment variable that hides the TUN device from a client process. Its value is "absent",
// or the path of a cgroup that forbids the device.
const deviceVariable = "DAEMON_TEST_DEVICE"

// hideDevice hides the TUN device from this process. If how is "absent", it mounts an empty folder over /dev/net, so
// the process needs its own mount namespace. Otherwise how is the cgroup that the process moves into.
func hideDevice(how string) error {
	if how == "absent" {
		return errors.Join(
			unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
			unix.Mount("tmpfs", "/dev/net", "tmpfs", 0, ""),
		)
	}
	return os.WriteFile(filepath.Join(how, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0)
}

// runKeeper calls RunRole on a thread other than that of main, as Go may do.
//
// A parent-death signal comes when the thread ends that started the process. So RunRole must work on any thread.
func runKeeper() (handled bool, exitCode int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() {
		defer close(done)
		handled, exitCode = daemon.RunRole(os.Args[1:])
	}()
	<-done
	return handled, exitCode
}

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == checkRole {
		waitWhileHeld(os.Args[2])
	}
	if handled, code := runKeeper(); handled {
		os.Exit(code)
	}
	if len(os.Args) == 4 && os.Args[1] == clientRole {
		os.Exit(runClient(os.Args[2], os.Args[3]))
	}
	bin, err := filepath.Abs("../../bin")
	if err == nil {
		err = os.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// runClient changes the user and hides the device if the environment says so. It takes two leases at once and prints
// the endpoint and the offline reason, or an error. It releases the leases when its input ends.
func runClient(dir, idle string) int {
	duration, _ := time.ParseDuration(idle)
	if err := becomeOrdinary(); err != nil {
		fmt.Fprintln(os.Stdout, err)
		return 1
	}
	if how := os.Getenv(deviceVariable); how != "" {
		if err := hideDevice(how); err != nil {
			fmt.Fprintln(os.Stdout, err)
			return 1
		}
	}
	var leases [2]*daemon.Lease
	var errs [2]error
	var both sync.WaitGroup
	for i := range leases {
		both.Go(func() {
			leases[i], errs[i] = daemon.Acquire(context.Background(), daemon.Options{Dir: dir, Idle: duration})
		})
	}
	both.Wait()
	for i, lease := range leases {
		if errs[i] != nil {
			fmt.Fprintln(os.Stdout, errs[i])
			return 1
		}
		defer lease.Release()
	}
	fmt.Fprintln(os.Stdout, leases[0].Endpoint())
	fmt.Fprintln(os.Stdout, leases[0].OfflineReason())
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// skipWithoutDaemon skips the test if -short is set or if the user is not root.
func skipWithoutDaemon(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT TESTED: -short leaves out what needs a daemon")
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: the embedded daemon needs root: run the tests as root")
	}
}

// newDaemonFolder returns the path of a folder for the test's own daemon. When the test ends, it stops the daemon and
// checks that nothing is left.
func newDaemonFolder(t testing.TB) string {
	t.Helper()
	skipWithoutDaemon(t)
	dir := filepath.Join(t.TempDir(), "d")
	stopDaemonAtCleanup(t, dir)
	return dir
}

// stopDaemonAtCleanup stops the daemon of dir when the test ends. It fails the test if a process or cgroup of the
// daemon is left.
func stopDaemonAtCleanup(t testing.TB, dir string) {
	t.Helper()
	t.Cleanup(func() {
		for _, p := range processes(dir) {
			if strings.Contains(p.arguments, "daemon-keeper") {
				_ = syscall.Kill(p.pid, syscall.SIGTERM)
			}
		}
		eventually(t, patience, "the test's daemon is gone", func() bool { return len(processes(dir)) == 0 })
		if _, err := os.Stat(filepath.Join(dir, "buildkitd.toml")); err != nil {
			return
		}
		if left := cgroups(t, dir); left != nil {
			t.Errorf("cgroups are left: %v", left)
		}
	})
}

// acquire takes a lease and returns it with the notes for the user.
func acquire(t testing.TB, o daemon.Options) (*daemon.Lease, []string) {
	t.Helper()
	var lines []string
	o.Note = func(line string) { lines = append(lines, line) }
	lease, err := daemon.Acquire(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() })
	return lease, lines
}

// clientProcess is a running client. It releases its leases when stdin is closed.
type clientProcess struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output *bufio.Reader
}

func startClient(t *testing.T, dir string, idle time.Duration, environ ...string) clientProcess {
	t.Helper()
	return startProgram(t, os.Args[0], dir, idle, environ...)
}

// startProgram does what startClient does, with a copy of this program.
func startProgram(t *testing.T, program, dir string, idle time.Duration, environ ...string) clientProcess {
	t.Helper()
	cmd := exec.Command(program, clientRole, dir, idle.String())
	cmd.Env = append(os.Environ(), environ...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if slices.ContainsFunc(environ, func(entry string) bool {
		return strings.HasPrefix(entry, deviceVariable) || strings.HasPrefix(entry, ordinaryVariable)
	}) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return clientProcess{cmd: cmd, stdin: stdin, output: bufio.NewReader(stdout)}
}

// endpoint returns the endpoint that the client printed.
func (c clientProcess) endpoint(t *testing.T) string {
	t.Helper()
	line, err := c.output.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "unix://") {
		rest, _ := io.ReadAll(c.output)
		t.Fatalf("the client printed %q (%v)", line+string(rest), err)
	}
	return strings.TrimSpace(line)
}
