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
		t.Skipf("%s is on a file system that is not watched: set TMPDIR", os.TempDir())
	}
}

// makeOldEnough moves the start of the scan so that the watch takes the files of root for old. It returns when the
// clock of the file system has moved on from them.
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

// watchedTree makes a tree below other folders, so that what is above its root can change too.
func watchedTree(t *testing.T) string {
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

var watchedScope = Scope{Excludes: []string{"*.log", "ignored"}}

// A file can change by a hard link elsewhere, and inotify reports nothing.
func TestWatchGivesUpHardLinks(t *testing.T) {
	t.Parallel()
	needWatch(t)
	root := watchedTree(t)
	if err := errors.Join(os.Link(root+"/file", root+".hard"), os.Link(root+"/x.log", root+".log")); err != nil {
		t.Fatal(err)
	}
	if _, watch := scanWatched(t, root, watchedScope); watch.IsUnchanged() {
		t.Error("a tree with a hard link is watched")
	}
	scope := Scope{Excludes: []string{"file", "ignored"}, Includes: []string{"dir"}}
	if _, watch := scanWatched(t, root, scope); !watch.IsUnchanged() {
		t.Error("a hard link that the scan does not look at counts")
	}
}

// Files on other than local disks may change from elsewhere.
func TestWatchGivesUpOtherFileSystems(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/dev/shm", "watch-") //nolint:usetesting // another file system
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if _, watch := scanWatched(t, dir, Scope{}); watch.IsUnchanged() {
		t.Error("a tmpfs is watched")
	}
}

// A tree does not count as unchanged if its scan failed, or its watch was closed.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	needWatch(t)
	watch := NewWatch()
	_, err := Scan(t.Context(), watchedTree(t), Scope{Excludes: []string{"["}}, Options{Watch: watch})
	if err == nil || watch.IsUnchanged() {
		t.Error("a scan that failed is unchanged")
	}
	_, watch = scanWatched(t, watchedTree(t), watchedScope)
	watch.Close()
	watch.Close()
	if watch.IsUnchanged() {
		t.Error("a closed watch says unchanged")
	}
	if (*Watch)(nil).IsUnchanged() || NewWatch().IsUnchanged() {
		t.Error("a watch without a scan says unchanged")
	}
}

func TestWatchBoundsItsFolders(t *testing.T) {
	t.Parallel()
	needWatch(t)
	for most, want := range map[int]bool{5: false, 6: true} { // the root, dir, dir/deep, empty, full, pair
		watch := &Watch{maxFolders: most, folders: map[int32]string{}, opened: map[string]bool{}}
		defer watch.Close()
		scanned, err := Scan(t.Context(), watchedTree(t), watchedScope, Options{Watch: watch})
		if err != nil || scanned.Len() == 0 || watch.IsUnchanged() != want {
			t.Errorf("%d watches: unchanged is %v, want %v: %v", most, !want, want, err)
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
