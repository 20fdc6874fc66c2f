package source

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Watch tells whether a tree is still what Scan recorded. It watches every folder with inotify(7) from before it is
// listed, so that no change falls between watching and listing. The kernel queues an event before the call that made
// the change returns. IsUnchanged therefore sees every change that was complete when it is called, by whatever program,
// path or mount.
//
// Some changes inotify does not report. A Watch finds them in another way, or gives the tree up, and IsUnchanged
// returns false:
//
//   - Another folder in the place of the root, as after a rename of a folder above it: it compares device and inode.
//   - Mounts: it compares the table of mounts, and gives up a tree with a mount below its root.
//   - A change through a hard link outside the tree: it gives up a tree in which a file has several hard links.
//   - A file system that changes from another machine or from below, as NFS, FUSE and overlayfs do: it watches only
//     ext, XFS, Btrfs and F2FS.
//   - Writes through mapped memory or asynchronous I/O: the kernel reports them when the file is unmapped and closed.
//     It also reports that a file was opened, and the change time of such a file must not be later than the scan.
//   - More events than the queue holds, more folders than a user may watch, no more instances: it gives up.
//
// Some changes remain unseen, because they go past every name in the tree and every descriptor that was opened by one
// since:
//
//   - memory that was mapped when the scan ended and still is, and asynchronous I/O on a file that was open then and
//     still is,
//   - a hard link that was made since,
//   - a descriptor of a name that is gone,
//   - an overlayfs with its upper layer in the tree.
//
// No program that opens, writes and closes a file of the tree by its path does that. The record then holds an earlier
// state, from the life of this process. Bytes that are sent are compared with it all the same, and the next process
// makes a new record.
//
// A Watch serves one Scan. Until Close it holds an inotify instance, and a kernel watch of about a kilobyte for each
// folder.
type Watch struct {
	queue  *eventQueue
	gaveUp atomic.Bool // something changed, or may change unseen

	path       string // of the root
	root       os.FileInfo
	base       *os.File // the root, during the scan
	mounts     string
	started    time.Time
	maxFolders int // 0 is maxFoldersPerTree

	mu       sync.Mutex
	complete bool             // the scan ended without an error
	folders  map[int32]string // by the number of their events
	opened   map[string]bool  // files that some program opened since the scan
}

// maxOpened is the number of files that IsUnchanged looks at.
const maxOpened = 1000

// NewWatch returns a Watch for one Scan.
func NewWatch() *Watch { return &Watch{folders: map[int32]string{}, opened: map[string]bool{}} }

// IsUnchanged tells whether the scan was complete and nothing of what it recorded has changed since. True is certain,
// but for the changes that the type lists as unseen. False means that something changed, or that it cannot be known.
// After the first false, IsUnchanged always returns false.
func (w *Watch) IsUnchanged() bool {
	if w == nil || w.gaveUp.Load() {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.complete || !w.queue.drain(w.recordOpened) || !w.hasSameRoot() || !w.hasSameFiles() {
		w.giveUp()
	}
	return !w.gaveUp.Load()
}

// Close ends the watch.
func (w *Watch) Close() {
	if w == nil {
		return
	}
	w.giveUp()
	if w.queue != nil {
		w.queue.close()
	}
}

// begin prepares the watch. A scan calls it before it looks at anything in the root.
func (w *Watch) begin(path string, base *os.File) {
	if w == nil {
		return
	}
	w.path, w.base, w.started = path, base, time.Now()
	if w.maxFolders == 0 {
		w.maxFolders = maxFoldersPerTree()
	}
	var err error
	if w.canWatch() {
		w.queue, err = newEventQueue()
	}
	if w.queue == nil || err != nil {
		w.giveUp()
	}
}

// canWatch tells whether the root changes only through this kernel, and only by the names that the scan sees. It notes
// where the root is.
func (w *Watch) canWatch() bool {
	var system unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(w.base.Fd()), &system) }); err != nil || !isLocal(system) {
		return false
	}
	w.mounts = readMounts()
	resolved, err := os.Readlink(descriptorPath(w.base))
	if err != nil || w.mounts == "" || hasMountBelow(w.mounts, resolved) {
		return false
	}
	w.root, err = w.base.Stat()
	return err == nil
}

// descriptorPath returns a path that leads to an open file.
func descriptorPath(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }

// addFolder watches a folder that is open and about to be listed.
//
// The path through the descriptor of the root leads to this very folder unless one between them was moved, and those
// are watched. The time of the folder was recorded while only the one above it was watched, so it must still be
// true.
func (w *Watch) addFolder(f *folder, dir *os.File) {
	if w == nil || w.gaveUp.Load() {
		return
	}
	number, err := w.queue.add(descriptorPath(w.base) + "/" + f.path)
	var now unix.Stat_t
	if err != nil || unix.Fstat(int(dir.Fd()), &now) != nil || f.path != "." && infoOf(&now).mtime != f.mtime {
		w.giveUp()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.folders[number] = f.path
	if len(w.folders) > w.maxFolders {
		w.giveUp()
	}
}

// giveUp makes IsUnchanged return false from now on.
func (w *Watch) giveUp() {
	if w != nil {
		w.gaveUp.Store(true)
	}
}

// drainScan keeps the queue short during the scan, which opens folders and files itself.
func (w *Watch) drainScan() {
	if w != nil && !w.gaveUp.Load() && !w.queue.drain(func(event) {}) {
		w.giveUp()
	}
}

// end notes that the scan was complete.
func (w *Watch) end() {
	if w == nil {
		return
	}
	w.drainScan()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complete = true
	if w.gaveUp.Load() {
		w.Close()
	}
}

// recordOpened remembers a file that was opened.
func (w *Watch) recordOpened(e event) {
	if e.mask&unix.IN_ISDIR == 0 {
		w.opened[filepath.Join(w.folders[e.folder], e.name)] = true
	}
}

// hasSameFiles tells whether the files that were opened have not changed. It looks at all of them every time, because
// it cannot know whether the last program that opened one has closed it.
func (w *Watch) hasSameFiles() bool {
	if len(w.opened) > maxOpened {
		return false
	}
	limit := w.started.Add(-clockSlack).UnixNano()
	for name := range w.opened {
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(w.path, name), &st) != nil || st.Ctim.Nano() > limit {
			return false
		}
	}
	return true
}

// hasSameRoot tells whether the path of the root leads where it led, past the same mounts.
func (w *Watch) hasSameRoot() bool {
	now, err := os.Stat(w.path)
	return err == nil && os.SameFile(now, w.root) && readMounts() == w.mounts
}

// maxFoldersPerTree returns how many folders one tree may watch: an eighth of what the programs of a user may.
func maxFoldersPerTree() int {
	text, _ := os.ReadFile("/proc/sys/fs/inotify/max_user_watches")
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		limit = 8192 // the limit of old kernels
	}
	return limit / 8
}
