//go:build linux

package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/platforms"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

func TestOneDaemonForAllProcesses(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
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

func TestEndsWhenIdle(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
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

// A daemon that takes its time to end still answers: a newcomer must get the next one.
func TestNewcomerWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	dir, bin := newFolder(t), t.TempDir()
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
	eventually(t, 10*time.Second, "the daemon is told to end",
		func() bool { return len(processes("sleep 2.0731 ")) > 0 })
	lease, lines := acquire(t, daemon.Options{Dir: dir})
	if len(lines) == 0 {
		t.Error("the lease is one on a daemon that ends")
	}
	if next, _ := runningProcesses(t, dir); next == keeper {
		t.Error("the keeper is still the first one")
	}
	mustRun(t, lease.Endpoint(), "sleep 3")
}

// Newcomers meet ends of daemons, at whatever moment: each lease must be good for a build.
func TestNewcomersMeetTheIdleEnd(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
	for i := range 8 {
		lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Millisecond})
		mustRun(t, lease.Endpoint(), "true")
		if err := lease.Release(); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(i) * 40 * time.Millisecond)
	}
}

func TestEndsAfterItsClientsWereKilled(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
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

// clientsOf returns the numbers of the client processes of dir.
func clientsOf(dir string) (pids []int) {
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, entry := range entries {
		cmdline, _ := os.ReadFile(entry)
		if strings.Contains(string(cmdline), clientRole+"\x00"+dir+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(entry)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestKillLeavesNothingAndIsRecoveredFrom(t *testing.T) {
	t.Parallel()
	for name, victim := range map[string]func(keeper, daemon int) int{
		"daemon": func(_, daemon int) int { return daemon },
		"keeper": func(keeper, _ int) int { return keeper },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newFolder(t)
			lease, _ := acquire(t, daemon.Options{Dir: dir})
			mark := fmt.Sprintf("86400.%d%d", name[0], os.Getpid()) // found in the table of processes
			broken := make(chan error, 1)
			go func() {
				_, err := run(context.Background(), t, lease.Endpoint(), platforms.DefaultString(),
					"sleep "+mark+" | cat")
				broken <- err
			}()
			eventually(t, 20*time.Second, "the step runs", func() bool { return len(processes("sleep "+mark)) > 0 })
			if err := syscall.Kill(victim(runningProcesses(t, dir)), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-broken:
				if err == nil {
					t.Error("the build went on without its daemon")
				}
			case <-time.After(10 * time.Second):
				t.Fatal("the daemon outlived its keeper")
			}
			eventually(t, 5*time.Second, "no process of the step",
				func() bool { return len(processes("sleep "+mark)) == 0 })
			wantGone(t, dir)

			next, lines := acquire(t, daemon.Options{Dir: dir})
			mustRun(t, next.Endpoint(), "echo again")
			if len(lines) == 0 {
				t.Error("no fresh daemon was started")
			}
			wantNoBundles(t, dir)
			for _, group := range cgroups(t, dir) {
				below, _ := filepath.Glob(group + "/buildkit/*/cgroup.procs")
				if len(below) > 0 {
					t.Errorf("cgroups of steps are left: %v", below)
				}
			}
		})
	}
}

func wantNoBundles(t *testing.T, dir string) {
	t.Helper()
	bundles, _ := filepath.Glob(filepath.Join(dir, "root/runc-overlayfs/executor/*/config.json"))
	if len(bundles) > 0 {
		t.Errorf("folders of steps are left: %v", bundles)
	}
}

func TestClearsWhatIsLeft(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, dir)
	leave := func(path, text string) {
		path = filepath.Join(dir, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600))
	}
	leave("buildkitd.sock", "")
	leave("tmp/buildkit-mount1/file", "")
	leave("root/runc-overlayfs/executor/one/config.json", "{}")
	leave("root/runc-overlayfs/executor/two/rootfs/precious", "of a snapshot")
	orphan := exec.Command("sleep", "86400")
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = orphan.Process.Kill() })
	died := make(chan struct{})
	go func() { defer close(died); _ = orphan.Wait() }()
	group := cgroupRoot(t) + "/" + cgroupParent(t, dir) + "/buildkit/one"
	err := errors.Join(os.MkdirAll(group, 0o755),
		os.WriteFile(group+"/cgroup.procs", []byte(strconv.Itoa(orphan.Process.Pid)), 0))
	if err != nil {
		t.Fatal(err)
	}

	lease, lines := acquire(t, daemon.Options{Dir: dir})
	select {
	case <-died:
	case <-time.After(5 * time.Second):
		t.Error("a process in the cgroup of an earlier daemon lives")
	}
	for _, path := range []string{group, dir + "/tmp/buildkit-mount1", dir + "/root/runc-overlayfs/executor/one"} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if _, err := os.Stat(dir + "/root/runc-overlayfs/executor/two/rootfs/precious"); err != nil {
		t.Errorf("what may be a snapshot was removed: %v", err)
	}
	if !strings.Contains(strings.Join(lines, "\n"), "two/rootfs") {
		t.Errorf("the folder that was left is not named: %q", lines)
	}
	mustRun(t, lease.Endpoint(), "true")
}

// cgroupRoot returns the hierarchy that has no controllers, or the only one.
func cgroupRoot(t *testing.T) string {
	t.Helper()
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/pids"} {
		if _, err := os.Stat(root + "/cgroup.procs"); err == nil {
			return root
		}
	}
	t.Fatal("no cgroup file system in /sys/fs/cgroup: run mount -t cgroup2 none /sys/fs/cgroup")
	return ""
}

func TestHungDaemon(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
	other, _ := acquire(t, daemon.Options{Dir: dir})
	keeper, stopped := runningProcesses(t, dir)
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the daemon is stopped", func() bool {
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
	if took := time.Since(begun); took > options.Limit+time.Second {
		t.Errorf("it took %s", took)
	}
	if err := other.Release(); err != nil {
		t.Fatal(err)
	}
	lease, _ := acquire(t, options)
	mustRun(t, lease.Endpoint(), "true")
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir := newFolder(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the user pressed Ctrl-C"))
	_, err := daemon.Acquire(ctx, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "the user pressed Ctrl-C") {
		t.Errorf("error %v", err)
	}
}
