//go:build linux

package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

func TestOneDaemonForAllProcesses(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	var clients []clientProcess
	for range 5 { // two leases each
		clients = append(clients, startClient(t, dir, time.Minute))
	}
	for _, c := range clients {
		if got := c.endpoint(t); got != "unix://"+dir+"/buildkitd.sock" {
			t.Errorf("endpoint %s", got)
		}
	}
	var keepers, daemons int
	for _, p := range processes(dir) {
		switch {
		case strings.Contains(p.arguments, "daemon-keeper"):
			keepers++
		case strings.HasPrefix(p.arguments, "buildkitd "):
			daemons++
		}
	}
	if keepers != 1 || daemons != 1 {
		t.Errorf("%d keepers and %d daemons: %v", keepers, daemons, processes(dir))
	}
}

func TestStopsWhenIdle(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	const idle = time.Second
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: idle})
	mustRun(t, lease.Endpoint(), "sleep 2 && echo longer than the idle time")
	_, first := runningProcesses(t, dir)
	again, lines := acquire(t, daemon.Options{Dir: dir, Idle: idle})
	if _, second := runningProcesses(t, dir); first != second || lines != nil {
		t.Errorf("a second daemon was started beside a used one: %q", lines)
	}
	for range 2 {
		if err := errors.Join(lease.Release(), again.Release()); err != nil {
			t.Error(err)
		}
	}
	wantGone(t, dir)
	if _, err := os.Lstat(filepath.Join(dir, "buildkitd.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if left := cgroups(t, dir); left != nil {
		t.Errorf("cgroups are left: %v", left)
	}
	lease, lines = acquire(t, daemon.Options{Dir: dir, Idle: idle})
	mustRun(t, lease.Endpoint(), "true")
	if len(lines) == 0 || lines[len(lines)-1] != "started the embedded BuildKit daemon in "+dir {
		t.Errorf("log: %q", lines)
	}
}

// A daemon that takes long to stop still answers. A client that comes meanwhile must get the next daemon.
func TestNewcomerWaitsUntilTheDaemonStopped(t *testing.T) {
	t.Parallel()
	dir, bin := newDaemonFolder(t), t.TempDir()
	buildkitd, err := exec.LookPath("buildkitd")
	if err != nil {
		t.Fatal(err)
	}
	slow := "#!/bin/sh\ntrap 'sleep 2.0731; kill $pid' TERM\n" + buildkitd + " \"$@\" &\npid=$!\nwait $pid\nwait $pid\n"
	if err := os.WriteFile(bin+"/buildkitd", []byte(slow), 0o755); err != nil {
		t.Fatal(err)
	}
	first := startClient(t, dir, 100*time.Millisecond, "PATH="+bin+":"+os.Getenv("PATH"))
	first.endpoint(t)
	keeper, _ := runningProcesses(t, dir)
	_ = first.stdin.Close()
	eventually(t, patience, "the daemon is told to stop",
		func() bool { return len(processes("sleep 2.0731 ")) > 0 })
	lease, lines := acquire(t, daemon.Options{Dir: dir})
	if len(lines) == 0 {
		t.Error("Acquire joined the daemon that was stopping")
	}
	if next, _ := runningProcesses(t, dir); next == keeper {
		t.Error("no new keeper was started")
	}
	mustRun(t, lease.Endpoint(), "sleep 3")
}

// Clients come at any moment while daemons stop. Each lease must be good for a build.
func TestNewcomersMeetTheIdleStop(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	for i := range 8 {
		lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Millisecond})
		mustRun(t, lease.Endpoint(), "true")
		if err := lease.Release(); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(i) * 40 * time.Millisecond)
	}
}

func TestStopsAfterItsClientsWereKilled(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	for range 2 {
		c := startClient(t, dir, time.Second)
		c.endpoint(t)
		defer c.cmd.Wait()
		defer c.cmd.Process.Kill()
	}
	for _, p := range clientsOf(dir) {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
	wantGone(t, dir)
}

// clientsOf returns the process IDs of the client processes of dir.
func clientsOf(dir string) (pids []int) {
	for _, pid := range daemontest.ProcessIDs() {
		if strings.Contains(daemontest.ProcessArguments(pid), clientRole+"\x00"+dir+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestHungDaemon(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	other, _ := acquire(t, daemon.Options{Dir: dir})
	keeper, stopped := runningProcesses(t, dir)
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the daemon is stopped", func() bool {
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", stopped))
		return strings.Contains(string(status), "T (stopped)")
	})
	begun := time.Now()
	options := daemon.Options{Dir: dir, Limit: 15 * time.Second}
	_, err := daemon.Acquire(t.Context(), options)
	hung, ok := errors.AsType[*daemon.Error](err)
	if !ok || hung.Fault != daemon.Hung || hung.Process != keeper {
		t.Errorf("error %v", err)
	}
	if took := time.Since(begun); took > options.Limit+10*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := other.Release(); err != nil {
		t.Fatal(err)
	}
	lease, _ := acquire(t, daemon.Options{Dir: dir})
	mustRun(t, lease.Endpoint(), "true")
}

func TestAcquireReturnsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the user pressed Ctrl-C"))
	_, err := daemon.Acquire(ctx, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "the user pressed Ctrl-C") {
		t.Errorf("error %v", err)
	}
}
