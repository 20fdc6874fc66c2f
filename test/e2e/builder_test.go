//go:build linux

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// The plugin uses a daemon that the program or the environment names, and does not start the embedded one.
func TestOtherDaemons(t *testing.T) {
	t.Parallel()
	unixEndpoint, tcpEndpoint := buildkitd(t)
	for name, endpoint := range map[string]string{"unix": unixEndpoint, "tcp": tcpEndpoint} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stack.New(t, stack.Config{Bin: shared.Bin,
				Program: project(t, twoPlatforms+"builder: { endpoint: \""+endpoint+"\" }\n", map[string]string{
					"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n",
				})})
			succeeds(t, s.Up("--skip-preview"), "+ 2 created")
			if fetchManifest(t, repository(t)+":1") == nil {
				t.Error("nothing was pushed")
			}
			if _, err := os.Lstat(filepath.Join(s.Daemon, "buildkitd.sock")); err == nil {
				t.Error("the embedded daemon was started")
			}
			succeeds(t, s.Destroy("--skip-preview"))
		})
	}
}

func TestNoDaemonAnswers(t *testing.T) {
	t.Parallel()
	s := open(t, project(t, twoPlatforms+"builder: { endpoint: \"unix:///nowhere/b.sock\" }\n",
		map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}))
	fails(t, s.Up("--skip-preview"), "no BuildKit daemon answers at unix:///nowhere/b.sock",
		"buildkitd --addr unix:///nowhere/b.sock")
}

// buildkitd runs a daemon on a socket and on a port until the test ends.
func buildkitd(t *testing.T) (unixEndpoint, tcpEndpoint string) {
	t.Helper()
	dir := t.TempDir()
	unixEndpoint, tcpEndpoint = "unix://"+filepath.Join(dir, "b.sock"), "tcp://"+freePort(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(shared.Bin, "buildkitd"), "--root",
		filepath.Join(dir, "root"),
		"--addr", unixEndpoint, "--addr", tcpEndpoint, "--containerd-worker=false",
		"--otel-socket-path", filepath.Join(dir, "otel.sock"))
	cmd.Env = []string{"PATH=" + shared.Bin + ":" + os.Getenv("PATH")} // runc
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGTERM) }, 5*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	ready := func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(tcpEndpoint, "tcp://"))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	if err := stack.WaitUntil(t.Context(), time.Minute, ready); err != nil {
		t.Fatal(err)
	}
	return unixEndpoint, tcpEndpoint
}

// freePort returns a free address on loopback.
func freePort(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
