//go:build linux

package daemon_test

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/platforms"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
)

// newState returns the path of BuildKit's state after a build.
func newState(t *testing.T) string {
	t.Helper()
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: 100 * time.Millisecond})
	mustRun(t, lease.Endpoint(), "true")
	must(t, lease.Release())
	wantGone(t, dir)
	return dir + "/root"
}

// newFolderWith returns a daemon's folder that has a copy of the state.
func newFolderWith(t *testing.T, state string) string {
	t.Helper()
	dir := newDaemonFolder(t)
	lease, err := daemon.Acquire(t.Context(), daemon.Options{Dir: dir, Keeper: []string{"true"}}) // marks the folder
	if err == nil {
		t.Fatal(lease.Endpoint())
	}
	if text, err := exec.Command("cp", "-a", state, dir+"/root").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return dir
}

// garble writes random bytes over the whole file.
func garble(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	noise := make([]byte, info.Size())
	_, _ = rand.Read(noise)
	return os.WriteFile(path, noise, 0o600)
}

// cutPages leaves the first two pages of a database, which look sound.
func cutPages(path string) error { return os.Truncate(path, 8192) }

func empty(path string) error { return os.Truncate(path, 0) }

// removeSnapshots removes what is beside the database of a snapshotter.
func removeSnapshots(path string) error {
	folders, err := filepath.Glob(filepath.Dir(path) + "/snapshots/*")
	for _, folder := range folders {
		err = errors.Join(err, os.RemoveAll(folder))
	}
	return err
}

const (
	worker = "runc-overlayfs/"
	lost   = "was damaged (" + worker
)

var damages = map[string]struct {
	file    string
	damage  func(string) error
	suspect bool   // the daemon was killed before
	want    string // in the warning
}{
	"pages cut off the cache's metadata": {
		file: worker + "metadata_v2.db", damage: cutPages, want: lost + "metadata_v2.db: reading it crashes",
	},
	"garbage in containerd's metadata": {
		file: worker + "containerdmeta.db", damage: garble, want: lost + "containerdmeta.db: invalid database",
	},
	"empty metadata of containerd": {
		file: worker + "containerdmeta.db", damage: empty, suspect: true, want: lost + "containerdmeta.db: it is empty",
	},
	"pages cut off the snapshots": {
		file: worker + "snapshots/metadata.db", damage: cutPages, want: lost + "snapshots/metadata.db: ",
	},
	"garbage in the snapshots": {
		file: worker + "snapshots/metadata.db", damage: garble, suspect: true, want: "metadata.db: invalid database",
	},
	"a snapshot lost": {
		file: worker + "snapshots/metadata.db", damage: removeSnapshots, suspect: true,
		want: "the folder of its snapshot",
	},
	"garbage in the build cache": {
		file: "cache.db", damage: garble, suspect: true, want: "/root/cache.db was damaged (invalid database), so it",
	},
	"pages cut off the history": {
		file: "history.db", damage: cutPages, want: "/root/history.db was damaged (reading it crashes",
	},
}

// A daemon whose state is damaged starts all the same. A warning says what was damaged and where the rest of it is.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	state := newState(t)
	for name, test := range damages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := newFolderWith(t, state)
			must(t, test.damage(filepath.Join(dir, "root", test.file)))
			if test.suspect {
				must(t, os.WriteFile(dir+"/running", nil, 0o600))
			}
			var warnings []string
			lease, err := daemon.Acquire(t.Context(), daemon.Options{
				Dir: dir, Idle: time.Second, Warn: func(line string) { warnings = append(warnings, line) },
			})
			must(t, err)
			defer lease.Release()
			mustRun(t, lease.Endpoint(), "true")
			said := strings.Join(warnings, "\n")
			if len(warnings) != 1 || !strings.Contains(said, test.want) {
				t.Errorf("the warnings are %q, want %q", said, test.want)
			}
			aside := strings.Contains(said, "began a new one. The damaged databases are in "+dir+"/root-damaged")
			if aside != strings.HasPrefix(test.file, worker) {
				t.Errorf("put aside: %t, and the warning says %q", aside, said)
			}
			if !aside {
				return
			}
			eventually(t, patience, "only databases are left",
				func() bool { return len(others(dir+"/root-damaged")) == 0 })
			if _, err := os.Stat(filepath.Join(dir, "root-damaged", test.file)); err != nil {
				t.Error(err)
			}
		})
	}
}

// others returns the files below dir that are no databases.
func others(dir string) (found []string) {
	_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() && filepath.Ext(path) != ".db" {
			found = append(found, path)
		}
		return nil
	})
	return found
}

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

// A build has met damage, and others still use the daemon. The next build gets another daemon; the damaged one is
// stopped and its state replaced when nobody uses it.
func TestReportDamage(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Minute})
	mustRun(t, lease.Endpoint(), "true")
	must(t, removeSnapshots(dir+"/root/"+worker+"snapshots/metadata.db"), lease.ReportDamage())
	beside, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	if !strings.HasPrefix(beside.Endpoint(), "unix://"+dir+"/beside-") {
		t.Errorf("endpoint %s", beside.Endpoint())
	}
	must(t, lease.Release())
	lease, lines := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	mustRun(t, lease.Endpoint(), "true")
	wantTexts(t, strings.Join(lines, "\n"), "stopped the embedded BuildKit daemon with a damaged build cache in "+dir,
		"the folder of its snapshot")
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
	base, err := os.MkdirTemp("/dev/shm", "daemon-check-")
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
