//go:build linux

package daemon_test

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/platforms"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// A state that is sound stays, whatever else keeps the daemon from starting.
func TestSoundStateIsKept(t *testing.T) {
	t.Parallel()
	dir := newFolderWith(t, newState(t))
	must(t, os.WriteFile(dir+"/running", nil, 0o600), os.WriteFile(dir+"/damaged", nil, 0o600),
		os.WriteFile(dir+"/root/mine", nil, 0o600))
	bin := t.TempDir()
	must(t, os.WriteFile(bin+"/buildkitd", []byte("#!/bin/sh\necho out of luck\nexit 2\n"), 0o755))
	c := startClient(t, dir, time.Second, "PATH="+bin+":"+os.Getenv("PATH"))
	if line, _ := c.output.ReadString('\n'); !strings.Contains(line, "did not start: its keeper ended") {
		t.Errorf("the client printed %q", line)
	}
	lease, lines := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	mustRun(t, lease.Endpoint(), "true")
	if _, err := os.Stat(dir + "/root/mine"); err != nil || strings.Contains(strings.Join(lines, "\n"), "damaged") {
		t.Errorf("the state was put aside: %v, %q", err, lines)
	}
}

// Everything is killed in the middle of a build, as a power cut does. The next daemon builds on the same state.
func TestKillOfEverything(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ dir, path, mark string }{
		"overlayfs": {dir: newDaemonFolder(t), path: os.Getenv("PATH"), mark: "86401.7"},
		"native":    {dir: mountOverlay(t, 0), path: pathWithout(t, "fuse-overlayfs"), mark: "86401.8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, path := test.dir, "PATH="+test.path
			stopDaemonAtCleanup(t, dir)
			endpoint := startClient(t, dir, time.Minute, path).endpoint(t)
			go func() {
				script := writeLayer + "; sleep " + test.mark
				_, _ = run(t.Context(), t, endpoint, platforms.DefaultString(), script)
			}()
			eventually(t, patience, "the step runs", func() bool { return len(processes("sleep "+test.mark)) > 0 })
			must(t, os.WriteFile(dir+"/root/mine", nil, 0o600))
			for _, p := range append(processes(dir), processes("sleep "+test.mark)...) {
				_ = syscall.Kill(p.pid, syscall.SIGKILL)
			}
			wantStopped(t, dir)
			mustRun(t, startClient(t, dir, time.Second, path).endpoint(t), "true")
			log, err := os.ReadFile(dir + "/keeper.log")
			if _, errMine := os.Stat(dir + "/root/mine"); err != nil || errMine != nil ||
				strings.Contains(string(log), "damaged") {
				t.Errorf("the state was put aside: %v, %v\n%s", err, errMine, log)
			}
			if _, err := os.Stat(dir + "/root/runc-" + name); err != nil {
				t.Error(err)
			}
		})
	}
}

// checkExit runs the check of a database and returns its exit code and what it printed.
func checkExit(t *testing.T, path string) (code int, printed string) {
	t.Helper()
	output, err := exec.Command(os.Args[0], "daemon-check", path).Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	if ok {
		code = exit.ExitCode()
	}
	return code, string(output)
}

// A database that cannot be checked is not damaged. Nor is one that BuildKit makes anew when it opens it.
func TestWhatIsNoDamage(t *testing.T) {
	t.Parallel()
	state := newState(t)
	base, err := os.MkdirTemp("/dev/shm", "daemon-check-") //nolint:usetesting // only a tmpfs has such large files
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	content, err := os.ReadFile(state + "/cache.db")
	must(t, err, os.WriteFile(base+"/large.db", content, 0o600), os.Truncate(base+"/large.db", 1<<48-1<<16),
		os.MkdirAll(base+"/"+worker+"snapshots/snapshots", 0o700),
		os.WriteFile(base+"/"+worker+"metadata_v2.db", nil, 0o600), os.WriteFile(base+"/cache.db", nil, 0o600))
	const damaged = 3
	for path, want := range map[string]int{
		state + "/cache.db":                        0,
		state + "/" + worker + "containerdmeta.db": 0,
		base + "/large.db":                         1, // more than the address space of a process
		base + "/missing.db":                       1,
		base + "/cache.db":                         0,
		base + "/" + worker + "metadata_v2.db":     0,
	} {
		if code, printed := checkExit(t, path); code != want {
			t.Errorf("the check of %s exits with %d, not %d: %s", path, code, want, printed)
		}
	}
	must(t, os.Mkdir(base+"/"+worker+"snapshots/snapshots/1", 0o700))
	if code, printed := checkExit(t, base+"/"+worker+"metadata_v2.db"); code != damaged {
		t.Errorf("empty metadata of a snapshot: %d: %s", code, printed)
	}
}
