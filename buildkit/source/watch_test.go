//go:build linux

package source

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// scanWatched scans dir and watches it until the test ends.
func scanWatched(t *testing.T, dir string, scope Scope) (*Tree, *Watch) {
	t.Helper()
	watch := NewWatch()
	t.Cleanup(watch.Close)
	scanned, err := Scan(t.Context(), dir, scope, Options{Watch: watch})
	if err != nil {
		t.Fatal(err)
	}
	return scanned, watch
}

// needWatch skips the test if temporary files are on a file system that is not watched.
func needWatch(t *testing.T) {
	t.Helper()
	var system unix.Statfs_t
	if err := unix.Statfs(os.TempDir(), &system); err != nil || !isLocal(system) {
		t.Skipf("%s is on a file system that is not watched: set TMPDIR to a folder on ext4, XFS, Btrfs or F2FS",
			os.TempDir())
	}
}

// makeOldEnough pretends that the scan started clockSlack after the last change below root, so that opening a file does
// not count as a change. It waits until a further change gets a later change time.
func makeOldEnough(t *testing.T, watch *Watch, root string) {
	t.Helper()
	probe, newest := filepath.Join(t.TempDir(), "probe"), time.Time{}
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if changed := changeTime(t, path); changed.After(newest) {
			newest = changed
		}
		return err
	})
	if err := errors.Join(err, os.WriteFile(probe, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for !changeTime(t, probe).After(newest) {
		if err := touch(probe); err != nil {
			t.Fatal(err)
		}
	}
	watch.started = newest.Add(clockSlack)
}

func changeTime(t *testing.T, path string) time.Time {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(path, err)
	}
	return time.Unix(st.Ctim.Unix())
}

// writeSampleTree makes a tree and returns its root. A further folder is above the root, for tests that move it.
func writeSampleTree(t *testing.T) string {
	t.Helper()
	files := map[string]string{}
	for name, content := range map[string]string{
		"file": "AAAA", "other": "OOOO", "x.log": "", "ignored/file": "", "link": "->file", "dir/file": "AAAA",
		"dir/deep/file": "AAAA", "empty/": "", "full/file": "F", "pair/file": "AAAA", "pair/neighbor": "NNNN",
	} {
		files["above/root/"+name] = content
	}
	return filepath.Join(writeTree(t, files), "above", "root")
}

var sampleScope = Scope{Excludes: []string{"*.log", "ignored"}}

// A file can be changed through a hard link outside the tree, and inotify does not report that.
func TestWatchGivesUpOnHardLinks(t *testing.T) {
	t.Parallel()
	needWatch(t)
	root := writeSampleTree(t)
	if err := errors.Join(os.Link(root+"/file", root+".hard"), os.Link(root+"/x.log", root+".log")); err != nil {
		t.Fatal(err)
	}
	if _, watch := scanWatched(t, root, sampleScope); watch.IsUnchanged() {
		t.Error("the watch did not give up a tree with a hard link")
	}
	scope := Scope{Excludes: []string{"file", "ignored"}, Includes: []string{"dir"}}
	if _, watch := scanWatched(t, root, scope); !watch.IsUnchanged() {
		t.Error("the watch gave up because of a hard link to an excluded file")
	}
}

// A Watch gives up a tree on a file system that it does not know. A tmpfs, for one, does not keep the change time of
// what is written through mapped memory.
func TestWatchGivesUpOnOtherFileSystems(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/dev/shm", "watch-") //nolint:usetesting // another file system
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if _, watch := scanWatched(t, dir, Scope{}); watch.IsUnchanged() {
		t.Error("the watch did not give up a tmpfs")
	}
}

// IsUnchanged returns false if there was no scan, if the scan failed, and after Close.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	needWatch(t)
	watch := NewWatch()
	_, err := Scan(t.Context(), writeSampleTree(t), Scope{Excludes: []string{"["}}, Options{Watch: watch})
	if err == nil || watch.IsUnchanged() {
		t.Error("after a failed scan IsUnchanged is true")
	}
	_, watch = scanWatched(t, writeSampleTree(t), sampleScope)
	watch.Close()
	watch.Close()
	if watch.IsUnchanged() {
		t.Error("after Close IsUnchanged is true")
	}
	if (*Watch)(nil).IsUnchanged() || NewWatch().IsUnchanged() {
		t.Error("without a scan IsUnchanged is true")
	}
}

// A Watch gives up a tree of more folders than maxFolders.
func TestWatchGivesUpOnTooManyFolders(t *testing.T) {
	t.Parallel()
	needWatch(t)
	for limit, want := range map[int]bool{5: false, 6: true} { // the root, dir, dir/deep, empty, full, pair
		watch := &Watch{maxFolders: limit, folders: map[int32]string{}, opened: map[string]bool{}}
		defer watch.Close()
		scanned, err := Scan(t.Context(), writeSampleTree(t), sampleScope, Options{Watch: watch})
		if err != nil || scanned.Len() == 0 || watch.IsUnchanged() != want {
			t.Errorf("maxFolders %d: IsUnchanged is %v, want %v: %v", limit, !want, want, err)
		}
	}
}

func TestHasMountBelow(t *testing.T) {
	t.Parallel()
	table := "22 1 254:0 / / rw - ext4 /dev/vda rw\n" +
		"23 22 0:5 / /home/a/ctx rw - ext4 x rw\n24 22 0:5 / /home/a/other/x rw - ext4 x rw\n" +
		"25 22 0:5 / /srv/with\\040space/in rw - ext4 x rw\n"
	for dir, want := range map[string]bool{
		"/": true, "/home": true, "/home/a": true, "/home/a/ctx": false, "/home/a/ct": false, "/home/a/other": true,
		"/home/a/oth": false, "/srv/with space": true, "/srv/with": false, "/nowhere": false,
	} {
		if got := hasMountBelow(table, dir); got != want {
			t.Errorf("%s: %v, want %v", dir, got, want)
		}
	}
}
