//go:build linux

package source

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func touch(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1, 0)) }

// changes change something below a root, or the root itself.
var changes = map[string]func(root string) error{
	"a file is made":           func(r string) error { return os.WriteFile(r+"/new", nil, 0o644) },
	"a file is made deep down": func(r string) error { return os.WriteFile(r+"/dir/deep/new", nil, 0o644) },
	"a file is removed":        func(r string) error { return os.Remove(r + "/dir/file") },
	"a folder is made":         func(r string) error { return os.Mkdir(r+"/dir/new", 0o755) },
	"folders and a file": func(r string) error {
		return firstError(os.MkdirAll(r+"/a/b", 0o755), os.WriteFile(r+"/a/b/c", nil, 0o644))
	},
	"a folder is removed":     func(r string) error { return os.Remove(r + "/empty") },
	"a folder is filled":      func(r string) error { return os.WriteFile(r+"/empty/new", nil, 0o644) },
	"a tree is removed":       func(r string) error { return os.RemoveAll(r + "/dir") },
	"truncated by its path":   func(r string) error { return os.Truncate(r+"/file", 2) },
	"mode of a file":          func(r string) error { return os.Chmod(r+"/dir/file", 0o755) },
	"mode of a folder":        func(r string) error { return os.Chmod(r+"/dir/deep", 0o700) },
	"mode of an empty folder": func(r string) error { return os.Chmod(r+"/empty", 0o700) },
	"time of a file":          func(r string) error { return touch(r + "/file") },
	"moved inside":            func(r string) error { return os.Rename(r+"/file", r+"/dir/moved") },
	"moved over another":      func(r string) error { return os.Rename(r+"/other", r+"/file") },
	"moved out":               func(r string) error { return os.Rename(r+"/dir", r+".out") },
	"moved in": func(r string) error {
		return firstError(os.WriteFile(r+".in", nil, 0o644), os.Rename(r+".in", r+"/dir/in"))
	},
	"a folder moved in": func(r string) error {
		return firstError(os.Mkdir(r+".in", 0o755), os.WriteFile(r+".in/f", nil, 0o644),
			os.Rename(r+".in", r+"/dir/in"))
	},
	"a folder replaced by one of its name": func(r string) error {
		return firstError(os.Rename(r+"/full", r+".out"), os.Mkdir(r+"/full", 0o755),
			os.WriteFile(r+"/full/file", []byte("G"), 0o644))
	},
	"folders exchanged": func(r string) error {
		return unix.Renameat2(unix.AT_FDCWD, r+"/full", unix.AT_FDCWD, r+"/dir/deep", unix.RENAME_EXCHANGE)
	},
	"a folder became a link": func(r string) error {
		return firstError(os.Rename(r+"/full", r+".out"), os.Symlink(r+".out", r+"/full"))
	},
	"a link leads elsewhere": func(r string) error {
		return firstError(os.Remove(r+"/link"), os.Symlink("other", r+"/link"))
	},
	"a hard link made inside": func(r string) error { return os.Link(r+"/file", r+"/dir/hard") },
	"changed and put back": func(r string) error {
		return firstError(os.Chmod(r+"/file", 0o600), os.Chmod(r+"/file", 0o644))
	},
	"the root replaced": func(r string) error { return firstError(os.Rename(r, r+".out"), os.Mkdir(r, 0o755)) },
	"the root became a link": func(r string) error {
		return firstError(os.Rename(r, r+".out"), os.Mkdir(r+".in", 0o755), os.Symlink(r+".in", r))
	},
	"the root removed": func(r string) error { return os.RemoveAll(r) },
	"mode of the root": func(r string) error { return os.Chmod(r, 0o700) },
	"a folder above it replaced": func(r string) error {
		return firstError(os.Rename(filepath.Dir(r), filepath.Dir(r)+".out"), os.MkdirAll(r, 0o755))
	},
	"written through another way": func(r string) error { return writeThroughLink(r) },
	"copied over by the kernel": func(r string) error {
		return onFiles(r, func(from, to *os.File) error {
			_, err := unix.CopyFileRange(int(from.Fd()), nil, int(to.Fd()), nil, 4, 0)
			return err
		})
	},
	"a hole": func(r string) error {
		return onFiles(r, func(_, to *os.File) error {
			return unix.Fallocate(int(to.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 2)
		})
	},
	"more events than the queue holds, and a change": func(r string) error {
		return firstError(flood(r+"/file", r+"/other"), os.Truncate(r+"/dir/file", 1))
	},
}

// writeThroughLink writes a file by a path outside the root.
func writeThroughLink(root string) error {
	way := filepath.Join(filepath.Dir(filepath.Dir(root)), "way")
	file := filepath.Join(way, "file")
	return firstError(os.Symlink(filepath.Join(root, "dir"), way), os.WriteFile(file, []byte("BBBB"), 0o644))
}

func onFiles(root string, do func(from, to *os.File) error) error {
	from, err := os.Open(root + "/other")
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(root+"/file", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer to.Close()
	return do(from, to)
}

// flood reads two files in turn until the queue is full. Two equal events in a row would count as one.
func flood(one, other string) error {
	text, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	most := 0
	if _, scanned := fmt.Sscan(string(text), &most); err != nil || scanned != nil {
		return errors.Join(err, scanned)
	}
	for i := range most + 10 {
		if f, err := os.Open([]string{one, other}[i%2]); err != nil || f.Close() != nil {
			return err
		}
	}
	return nil
}

// A Watch sees each change below the root, and of the root itself.
func TestWatchSeesEveryChange(t *testing.T) {
	t.Parallel()
	needWatch(t)
	all := map[string]func(string) error{}
	for name, change := range changes {
		all[name] = change
	}
	for name, edit := range edits {
		all[name] = func(r string) error { return edit(r+"/pair/file", []byte("BBBB"), time.Unix(1, 0)) }
	}
	for name, change := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := writeSampleTree(t)
			_, watch := scanWatched(t, root, sampleScope)
			makeOldEnough(t, watch, root)
			for range 2 {
				if !watch.IsUnchanged() {
					t.Fatal("IsUnchanged is false before the change")
				}
			}
			if err := change(root); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if watch.IsUnchanged() {
					t.Error("IsUnchanged is true after the change")
				}
			}
		})
	}
}

// IsUnchanged sees a write to mapped memory also if it looked at the file before: the program that opened it may still
// have it mapped.
func TestWatchSeesALateWriteToMappedMemory(t *testing.T) {
	t.Parallel()
	needWatch(t)
	root := writeSampleTree(t)
	_, watch := scanWatched(t, root, sampleScope)
	makeOldEnough(t, watch, root)
	f, err := os.OpenFile(root+"/file", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	memory, err := unix.Mmap(int(f.Fd()), 0, 4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(memory) }()
	if !watch.IsUnchanged() {
		t.Fatal("IsUnchanged is false before the change")
	}
	memory[0] = 'B'
	if watch.IsUnchanged() {
		t.Error("IsUnchanged is true after the change")
	}
}

// Reading files, and writing files out of the scope, changes nothing that was recorded.
func TestWatchIgnoresWhatChangesNothing(t *testing.T) {
	t.Parallel()
	needWatch(t)
	root := writeSampleTree(t)
	_, watch := scanWatched(t, root, sampleScope)
	makeOldEnough(t, watch, root)
	_, readErr := os.ReadFile(root + "/dir/file")
	_, linkErr := os.Readlink(root + "/link")
	_, listErr := os.ReadDir(root + "/dir/deep")
	_, noErr := os.Open(root + "/nothing")
	err := errors.Join(readErr, linkErr, listErr,
		os.WriteFile(root+"/ignored/file", []byte("more"), 0o644),
		os.WriteFile(root+"/../beside", nil, 0o644),
		os.Rename(root+"/ignored/file", root+"/ignored/renamed"),
	)
	if _, again := scanWatched(t, root, Scope{}); err != nil || noErr == nil || !again.IsUnchanged() {
		t.Fatal(err, noErr)
	}
	if !watch.IsUnchanged() {
		t.Error("IsUnchanged is false although nothing of the tree changed")
	}
}
