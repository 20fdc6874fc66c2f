//go:build linux

// Package enginetest starts real Docker Engines for tests.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// Engine is a Docker Engine that the tests of a package share. The first test that asks for it starts it; End ends it.
type Engine struct {
	// Classic makes it keep images in its own store instead of containerd's.
	Classic bool
	// Apart gives it a network namespace with a loopback only, as that of a virtual machine is another one.
	Apart bool
	// Bridge gives its containers and the steps of its own BuildKit a network, in which they reach the machine's
	// addresses. Without iptables they reach nothing else.
	Bridge bool

	once sync.Once
	dir  string
	err  error
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// startLimit bounds the time to the first answer; containerd takes most of it on a cold disk.
const startLimit = time.Minute

// Host starts the engine and returns its address. It skips the test with -short, without root, and where make tools has
// not built dockerd.
func (e *Engine) Host(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("NOT TESTED: -short leaves out what needs a Docker Engine")
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT TESTED: a Docker Engine needs root: run the tests as root")
	}
	root, err := daemontest.Root()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(root, "bin")
	if _, err := os.Stat(filepath.Join(bin, "dockerd")); err != nil {
		t.Skipf("NOT TESTED: no Docker Engine: make tools builds it: %v", err)
	}
	e.once.Do(func() { e.err = e.start(context.Background(), bin) })
	if e.err != nil {
		t.Fatal(e.err)
	}
	return e.host()
}

// Folder returns the folder that holds all that the engine writes.
func (e *Engine) Folder() string { return e.dir }

// Socket returns the path of the engine's socket.
func (e *Engine) Socket() string { return filepath.Join(e.dir, "docker.sock") }

func (e *Engine) host() string { return "unix://" + e.Socket() }

func (e *Engine) start(ctx context.Context, bin string) (err error) {
	if e.dir, err = os.MkdirTemp("", "engine-"); err != nil { // short: the path of a socket has 107 bytes
		return err
	}
	log, err := os.Create(filepath.Join(e.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	bridge := "--bridge=none"
	if e.Bridge {
		bridge = "--bip=172.31.77.1/24"
	}
	e.cmd = exec.Command(filepath.Join(bin, "dockerd"),
		"--host", e.host(), "--data-root", filepath.Join(e.dir, "data"), "--exec-root", filepath.Join(e.dir, "exec"),
		"--pidfile", filepath.Join(e.dir, "pid"), "--config-file", filepath.Join(e.dir, "daemon.json"),
		"--host-gateway-ip=198.51.100.7", bridge, "--iptables=false", "--ip6tables=false", "--userland-proxy=false",
		fmt.Sprintf("--feature=containerd-snapshotter=%t", !e.Classic))
	e.cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")) // containerd and runc
	e.cmd.Stdout, e.cmd.Stderr = log, log
	// In a mount namespace of its own: a mount elsewhere on the machine ends the shared scans of other tests.
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Unshareflags: syscall.CLONE_NEWNS}
	if err := os.WriteFile(filepath.Join(e.dir, "daemon.json"), []byte("{}"), 0o600); err != nil {
		return err
	}
	e.done = make(chan struct{})
	started := make(chan error)
	go e.run(started)
	if err := <-started; err != nil {
		return err
	}
	return e.await(ctx)
}

// run starts the process and waits for its end, in one thread: the process gets its signal when that thread ends.
func (e *Engine) run(started chan<- error) {
	runtime.LockOSThread()
	defer close(e.done)
	var err error
	if e.Apart {
		err = enterNetwork()
	}
	if err == nil {
		err = e.cmd.Start()
	}
	started <- err
	if err == nil {
		_ = e.cmd.Wait()
	}
}

// enterNetwork gives this thread a network namespace of its own, which the processes that it starts share.
func enterNetwork() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	return RaiseLoopback()
}

// RaiseLoopback makes the loopback of a new network namespace work.
func RaiseLoopback() error {
	loopback, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(loopback)
}

// Listen listens at an address in the network namespace of the engine, until the end of the test.
func (e *Engine) Listen(t testing.TB, address string) net.Listener {
	t.Helper()
	e.Host(t)
	var listener net.Listener
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		done <- func() (err error) {
			namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", e.cmd.Process.Pid))
			if err != nil {
				return err
			}
			defer func() { _ = namespace.Close() }()
			if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
			return err
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// await waits for the first answer.
func (e *Engine) await(ctx context.Context) error {
	ctx, stop := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("no answer within %s", startLimit))
	defer stop()
	c, err := client.New(client.WithHost(e.host()))
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		if _, err := c.Ping(ctx, client.PingOptions{}); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-e.done:
			return e.failure(errors.New("it has ended"))
		case <-ctx.Done():
			return e.failure(context.Cause(ctx))
		}
	}
}

func (e *Engine) failure(cause error) error {
	log, _ := os.ReadFile(filepath.Join(e.dir, "log"))
	return fmt.Errorf("the Docker Engine of the tests: %w\n%s", cause, log)
}

// End stops the engine, if it was started, and removes what it wrote.
func (e *Engine) End() error {
	if e.cmd == nil || e.cmd.Process == nil {
		return nil
	}
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.done:
	case <-time.After(time.Minute):
		_ = e.cmd.Process.Kill()
		<-e.done
	}
	return e.remove()
}

// remove removes the folder. What a container mounted may be unmounted a moment later.
func (e *Engine) remove() error {
	limit := time.After(10 * time.Second)
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		err := os.RemoveAll(e.dir)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-limit:
			return err
		}
	}
}
