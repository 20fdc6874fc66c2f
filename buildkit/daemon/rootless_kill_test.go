//go:build linux

package daemon_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon/daemontest"
)

// Whatever is killed of an ordinary user's daemon, nothing is left, and the next one starts. It removes the temporary
// folder that only rootlesskit itself could have removed.
func TestOrdinaryUserAfterAKill(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"daemon-keeper", "rootlesskit", "buildkitd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home, program := ordinaryHome(t)
			c := startOrdinary(t, daemontest.UsualMachine, home, program, time.Minute)
			mustRun(t, c.endpoint(t), "true")
			must(t, syscall.Kill(ordinaryProcess(t, home, name), syscall.SIGKILL))
			wantGone(t, filepath.Join(home, "d"))
			next := startOrdinary(t, daemontest.UsualMachine, home, program, time.Second)
			mustRun(t, next.endpoint(t), "true")
			if left := namespaceFolders(t, home); len(left) != 1 {
				t.Errorf("the daemon has the temporary folders %v, want one", left)
			}
			must(t, next.stdin.Close(), c.stdin.Close())
			wantOrdinaryGone(t, home)
		})
	}
}

// ordinaryProcess returns the number of a process of the daemon of nobody's.
func ordinaryProcess(t *testing.T, home, name string) int {
	t.Helper()
	keeper, builder := runningProcesses(t, filepath.Join(home, "d"))
	switch name {
	case "daemon-keeper":
		return keeper
	case "buildkitd":
		return builder
	}
	for _, p := range processes(filepath.Join(home, "d")) {
		if strings.Contains(p.arguments, "rootlesskit --net=host") { // its child has another name
			return p.pid
		}
	}
	t.Fatal("no rootlesskit runs")
	return 0
}

// namespaceFolders returns what is in the temporary folder of nobody's.
func namespaceFolders(t *testing.T, home string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(home, "tmp"))
	must(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
