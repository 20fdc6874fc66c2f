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
			must(t, test.damage(filepath.Join(dir, "root", test.file)),
				os.MkdirAll(dir+"/root-damaged/earlier/a/b", 0o700),
				os.WriteFile(dir+"/root-damaged/earlier/a/file.db", nil, 0o600))
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
			eventually(t, patience, "the state that was put aside earlier is gone", func() bool {
				folders, _ := filepath.Glob(dir + "/root-damaged*")
				return len(folders) == 1
			})
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

// A build has met damage, and others still use the daemon. The next build gets another daemon; the damaged one is
// stopped and its state replaced when nobody uses it.
func TestReportDamage(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Minute})
	mustRun(t, lease.Endpoint(), "true")
	must(t, removeSnapshots(dir+"/root/"+worker+"snapshots/metadata.db"), lease.ReportDamage())
	beside, lines := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	wantTexts(t, strings.Join(lines, "\n"),
		"the embedded BuildKit daemon in "+dir+" has a damaged build cache, and other builds use it",
		"a cache of its own in "+dir+"/beside-")
	if !strings.HasPrefix(beside.Endpoint(), "unix://"+dir+"/beside-") {
		t.Errorf("endpoint %s", beside.Endpoint())
	}
	must(t, lease.Release())
	lease, lines = acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	mustRun(t, lease.Endpoint(), "true")
	wantTexts(t, strings.Join(lines, "\n"), "stopped the embedded BuildKit daemon with a damaged build cache in "+dir,
		"the folder of its snapshot")
}

// A report about a daemon that has ended does not stop the next one.
func TestReportDamageOfAnEarlierDaemon(t *testing.T) {
	t.Parallel()
	dir := newDaemonFolder(t)
	lease, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Minute})
	keeper, _ := runningProcesses(t, dir)
	must(t, syscall.Kill(keeper, syscall.SIGKILL))
	wantGone(t, dir)
	next, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second})
	must(t, lease.ReportDamage())
	if again, _ := acquire(t, daemon.Options{Dir: dir, Idle: time.Second}); again.Endpoint() != next.Endpoint() {
		t.Errorf("a further client has %s, not %s", again.Endpoint(), next.Endpoint())
	}
}
