//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// elsewhere is a BuildKit daemon elsewhere, which the tests of this package share.
var elsewhere remoteDaemon

// remoteDaemon is a real buildkitd that the plugin did not start. It listens on a socket, and with mTLS on a port. The
// first test that asks for it starts it; end ends it.
type remoteDaemon struct {
	certificates certificates
	socket       string
	apart        bool // with its own PID and mount namespaces, so that nothing of it outlives it
	steps        int  // how many run at a time; 0: no limit
	hostPort     string

	once sync.Once
	dir  string
	cmd  *exec.Cmd
}

// start returns the daemon, which runs.
func (d *remoteDaemon) start(t testing.TB) *remoteDaemon {
	t.Helper()
	d.once.Do(func() { d.startOnce(t) })
	if d.cmd == nil {
		t.Fatal("the remote daemon of the tests did not start")
	}
	return d
}

func (d *remoteDaemon) startOnce(t testing.TB) {
	t.Helper()
	var err error
	d.dir, err = os.MkdirTemp("", "remote-") //nolint:usetesting // it outlives this test
	must(t, err)
	d.certificates = newCertificates(t, d.dir)
	d.socket, d.hostPort = filepath.Join(d.dir, "b.sock"), freePort(t)
	args := []string{filepath.Join(shared.Bin, "buildkitd"), "--root", filepath.Join(d.dir, "root"),
		"--addr", "unix://" + d.socket, "--addr", "tcp://" + d.hostPort, "--containerd-worker=false",
		"--otel-socket-path", filepath.Join(d.dir, "otel.sock"),
		"--tlscacert", d.certificates.path("ca"), "--tlscert", d.certificates.path("builder"),
		"--tlskey", d.certificates.path("builder-key"), fmt.Sprintf("--oci-max-parallelism=%d", d.steps)}
	if d.apart {
		args = append([]string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc"}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = []string{"PATH=" + shared.Bin + ":" + os.Getenv("PATH")} // runc
	must(t, cmd.Start())
	d.cmd = cmd
	must(t, stack.WaitUntil(t.Context(), time.Minute, func() bool {
		conn, err := net.Dial("tcp", d.hostPort)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}))
}

// end stops the daemon, if it was started, and removes what it wrote.
func (d *remoteDaemon) end() error {
	if d.cmd == nil {
		return nil
	}
	if d.apart {
		_ = d.cmd.Process.Kill()
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	defer time.AfterFunc(10*time.Second, func() { _ = d.cmd.Process.Kill() }).Stop()
	_ = d.cmd.Wait() // it tells of the signal
	return os.RemoveAll(d.dir)
}

// endpoint returns the input that names the daemon's socket as the builder.
func (d *remoteDaemon) endpoint(t testing.TB) string {
	t.Helper()
	return "builder: { endpoint: \"unix://" + d.start(t).socket + "\" }\n"
}
