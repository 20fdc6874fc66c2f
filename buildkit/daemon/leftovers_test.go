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

func TestKillLeavesNothingAndIsRecoveredFrom(t *testing.T) {
	t.Parallel()
	for name, victim := range map[string]func(keeper, daemon int) int{
		"daemon": func(_, daemon int) int { return daemon },
		"keeper": func(keeper, _ int) int { return keeper },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newDaemonFolder(t)
			lease, _ := acquire(t, daemon.Options{Dir: dir})
			mark := fmt.Sprintf("86400.%d%d", name[0], os.Getpid()) // found in the table of processes
			broken := make(chan error, 1)
			go func() {
				_, err := run(context.Background(), t, lease.Endpoint(), platforms.DefaultString(),
					"sleep "+mark+" | cat")
				broken <- err
			}()
			eventually(t, patience, "the step runs", func() bool { return len(processes("sleep "+mark)) > 0 })
			if err := syscall.Kill(victim(runningProcesses(t, dir)), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-broken:
				if err == nil {
					t.Error("the build went on without its daemon")
				}
			case <-time.After(patience):
				t.Fatal("the daemon outlived its keeper")
			}
			eventually(t, patience, "no process of the step",
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

func TestRemovesLeftovers(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
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
	case <-time.After(patience):
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
