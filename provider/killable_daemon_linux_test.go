package provider

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// killableDaemon is a real buildkitd that a test kills or freezes. The provider reaches it through a relay.
type killableDaemon struct {
	t   *testing.T
	dir string
	// inside is a command that runs the daemon elsewhere, such as in a network namespace; nil: here.
	inside  []string
	address string     // of tcp://; "": none
	mu      sync.Mutex // of cmd
	cmd     *exec.Cmd
	// sent counts the bytes that the provider has sent. Behind onSent of them, meet is called.
	sent   atomic.Int64
	onSent atomic.Int64
	meet   func()
	open   atomic.Int64 // connections of the provider
}

// startKillableDaemon starts a daemon that ends with the test.
func startKillableDaemon(t *testing.T) *killableDaemon {
	t.Helper()
	return startKillableDaemonIn(t, nil, "")
}

// startKillableDaemonIn starts a daemon that the command inside runs, and that listens at an address of tcp://, too.
func startKillableDaemonIn(t *testing.T, inside []string, address string) *killableDaemon {
	t.Helper()
	daemontest.SkipWithoutDaemon(t)
	dir, err := os.MkdirTemp("", "killable-") //nolint:usetesting // short: a socket is in it
	if err != nil {
		t.Fatal(err)
	}
	d := &killableDaemon{t: t, dir: dir, inside: inside, address: address}
	t.Cleanup(func() {
		d.end()
		if log, _ := os.ReadFile(filepath.Join(dir, "log")); t.Failed() {
			t.Logf("the daemon: %s", log)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	listener, err := net.Listen("unix", filepath.Join(dir, "relay.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go d.relay(listener)
	d.mustStart()
	return d
}

// mustStart starts the daemon as start does, and fails the test if that fails.
func (d *killableDaemon) mustStart() {
	d.t.Helper()
	if err := d.start(); err != nil {
		d.t.Fatal(err)
	}
}

// endpoint returns the address of the relay.
func (d *killableDaemon) endpoint() string { return "unix://" + filepath.Join(d.dir, "relay.sock") }

func (d *killableDaemon) socket() string { return filepath.Join(d.dir, "b.sock") }

// start starts the daemon, with the state of the one before. It has its own PID and mount namespaces, so nothing of it
// outlives it.
func (d *killableDaemon) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = os.Remove(filepath.Join(d.dir, "root", "buildkitd.lock"))
	args := append(slices.Clone(d.inside), "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "buildkitd",
		"--root", filepath.Join(d.dir, "root"), "--addr", "unix://"+d.socket(), "--containerd-worker=false",
		"--otel-socket-path", filepath.Join(d.dir, "otel.sock")) // daemons that start at once would want one socket
	if d.address != "" {
		args = append(args, "--addr", d.address)
	}
	d.cmd = exec.Command(args[0], args[1:]...)
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	d.cmd.Stderr = log
	if err := d.cmd.Start(); err != nil {
		return err
	}
	return stack.WaitUntil(context.Background(), time.Minute, d.accepts)
}

// accepts tells whether something listens on the socket of the daemon.
func (d *killableDaemon) accepts() bool {
	conn, err := net.Dial("unix", d.socket())
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}

// signal sends a signal to buildkitd itself.
func (d *killableDaemon) signal(signal syscall.Signal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.signalLocked(signal)
}

func (d *killableDaemon) signalLocked(signal syscall.Signal) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", d.cmd.Process.Pid))
	if err != nil {
		return // it has ended
	}
	for _, child := range strings.Fields(string(text)) {
		pid, _ := strconv.Atoi(child)
		_ = syscall.Kill(pid, signal)
	}
}

// end kills the daemon and waits until it has ended.
func (d *killableDaemon) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.signalLocked(syscall.SIGKILL)
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
	// The daemon outlives unshare by a moment.
	if err := stack.WaitUntil(context.Background(), time.Minute, func() bool { return !d.accepts() }); err != nil {
		d.t.Error(err)
	}
}

// relay leads to the daemon.
func (d *killableDaemon) relay(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			daemon, err := net.Dial("unix", d.socket())
			if err != nil {
				return
			}
			d.open.Add(1)
			defer d.open.Add(-1)
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, daemon)
			}()
			_, _ = io.Copy(&countingWriter{daemon, d}, conn)
			_ = daemon.Close()
		}()
	}
}

// countingWriter calls meet of the daemon once enough bytes were sent.
type countingWriter struct {
	io.Writer
	daemon *killableDaemon
}

// Write implements io.Writer.
func (w *countingWriter) Write(p []byte) (int, error) {
	before := w.daemon.sent.Load()
	after := w.daemon.sent.Add(int64(len(p)))
	if limit := w.daemon.onSent.Load(); limit > 0 && before < limit && after >= limit {
		w.daemon.meet()
	}
	return w.Writer.Write(p)
}
