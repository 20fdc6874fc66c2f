//go:build linux

package daemon_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

type process struct {
	pid       int
	arguments string // separated by spaces
}

// processes returns the processes whose arguments contain text, without zombies, this process and clients.
func processes(text string) []process {
	var found []process
	for _, pid := range daemontest.ProcessIDs() {
		arguments := strings.ReplaceAll(daemontest.ProcessArguments(pid), "\x00", " ")
		if strings.Contains(arguments, text) && pid != os.Getpid() && !strings.Contains(arguments, clientRole) {
			found = append(found, process{pid: pid, arguments: arguments})
		}
	}
	return found
}

// runningProcesses returns the process IDs of the keeper and the daemon of dir.
func runningProcesses(t *testing.T, dir string) (keeper, daemon int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(text), &keeper, &daemon); err != nil {
		t.Fatal(err)
	}
	return keeper, daemon
}

// patience is how long tests wait for what a slow machine does late.
const patience = 30 * time.Second

// eventually waits until holds returns true. It fails the test if that takes longer than the limit.
func eventually(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// wantGone waits until no process and no mount of the daemon of dir is left, and alive.lock is free.
func wantGone(t *testing.T, dir string) {
	t.Helper()
	eventually(t, patience, "no process of the daemon", func() bool { return len(processes(dir)) == 0 })
	// A process that was killed still shows its mounts for a moment.
	eventually(t, patience, "no mount of the daemon", func() bool { return mountsBelow(dir) == nil })
	lock, err := os.OpenFile(filepath.Join(dir, "alive.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	eventually(t, patience, "alive.lock is free", func() bool {
		return unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
	})
}

// mountsBelow returns the mounts below dir in the mount namespace of every process.
func mountsBelow(dir string) (found []string) {
	for _, pid := range daemontest.ProcessIDs() {
		path := fmt.Sprintf("/proc/%d/mountinfo", pid)
		table, _ := os.ReadFile(path)
		for line := range strings.Lines(string(table)) {
			if strings.Contains(line, dir+"/") || strings.Contains(line, dir+" ") {
				found = append(found, path+": "+line)
			}
		}
	}
	return found
}

// cgroups returns the cgroups of the daemon of dir, in every hierarchy.
func cgroups(t testing.TB, dir string) []string {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(dir, "buildkitd.toml"))
	if err == nil && strings.Contains(string(config), "rootless = true") {
		return nil // it has none
	}
	parent := cgroupParent(t, dir)
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/", "/sys/fs/cgroup/*/"} {
		paths, _ := filepath.Glob(pattern + parent)
		found = append(found, paths...)
	}
	return found
}

// cgroupParent returns the name of the cgroup of the daemon of dir, which is in its configuration.
func cgroupParent(t testing.TB, dir string) string {
	t.Helper()
	config, err := os.ReadFile(filepath.Join(dir, "buildkitd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(config), `defaultCgroupParent = "`)
	parent, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no cgroup parent in\n%s", config)
	}
	return parent
}
