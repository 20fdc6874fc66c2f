package source

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Watch tells whether a tree is still what Scan recorded. Every directory is watched with inotify(7) from before it is
// listed, so that no change falls between watching and listing. The kernel queues a report before the call that made the
// change returns: what was complete when IsUnchanged is called is seen by it, whoever did it and by whatever path or mount.
//
// What inotify does not report is found in another way, or the tree is not watched, which IsUnchanged answers with false:
//
//   - Another directory in the place of the root, as after a rename of a folder above it: device and inode are compared.
//   - Mounts: the table of mounts is compared, and a tree with a mount below its root is not watched.
//   - A change by a name elsewhere: a tree with hard links to files is not watched.
//   - A file system that changes from another machine or from below, as NFS, FUSE and overlayfs do: only ext, XFS, Btrfs and
//     F2FS are watched.
//   - Writes through mapped memory or asynchronous I/O: they are reported when the file is unmapped and closed. Until then it
//     counts as opened, which is reported too, and an opened file must not have a change time later than the scan.
//   - More reports than the queue holds, more directories than a user may watch, no more instances: not watched.
//
// What remains unseen goes past every name in the tree and every descriptor that was opened by one since: memory that was
// mapped when the scan ended and still is, or asynchronous I/O on what was open then and still is; a hard link that was made
// since; a descriptor of a name that is gone; an overlayfs with its upper layer in the tree. No program that opens, writes
// and closes a file of the tree by its path does that. The record is then of what was there earlier in the life of this
// process; bytes that are sent are compared with it all the same, and the next process makes a new one.
//
// A Watch serves one Scan. Until Close it holds an inotify instance, and a kernel watch of about a kilobyte for each directory.
type Watch struct {
	queue *os.File
	conn  syscall.RawConn // of queue
	gaveUp  atomic.Bool     // something changed, or cannot be watched

	path    string // of the root
	root    os.FileInfo
	base    *os.File // the root, during the scan
	mounts  string
	started time.Time
	maxFolders    int // directories; 0 is fairShare

	mu      sync.Mutex
	complete   bool             // the scan, without an error
	folders map[int32]string // by watch
	opened  map[string]bool  // files that somebody opened since the scan
}

const (
	// watchedEvents are the reports that are asked for. IN_UNMOUNT, IN_IGNORED and IN_Q_OVERFLOW come by themselves; what becomes of a
	// directory itself is reported by the one above it.
	watchedEvents = unix.IN_ONLYDIR | unix.IN_OPEN | unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CLOSE_WRITE | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVE
	// maxOpened bounds the files that IsUnchanged looks at.
	maxOpened = 1000
)

// NewWatch returns a Watch for one Scan.
func NewWatch() *Watch { return &Watch{folders: map[int32]string{}, opened: map[string]bool{}} }

// IsUnchanged tells whether the scan came to its end and nothing of what it recorded has changed since. True is certain but
// for what the type says. False also means that it cannot be known; it is the answer from then on.
func (w *Watch) IsUnchanged() bool {
	if w == nil || w.gaveUp.Load() {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.complete || !w.drain(w.recordOpened) || !w.hasSameRoot() || !w.hasSameFiles() {
		w.gaveUp.Store(true)
	}
	return !w.gaveUp.Load()
}

// Close ends the watch.
func (w *Watch) Close() {
	if w == nil {
		return
	}
	w.gaveUp.Store(true)
	if w.queue != nil {
		_ = w.queue.Close()
	}
}

// begin is called before anything in the root is looked at.
func (w *Watch) begin(path string, base *os.File) {
	if w == nil {
		return
	}
	w.path, w.base, w.started = path, base, time.Now()
	if w.maxFolders == 0 {
		w.maxFolders = maxFoldersPerTree()
	}
	if !w.canWatch() || !w.open() {
		w.giveUp()
	}
}

func (w *Watch) open() bool {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return false
	}
	w.queue = os.NewFile(uintptr(fd), "inotify")
	if w.conn, err = w.queue.SyscallConn(); err != nil {
		return false
	}
	return unix.SetNonblock(fd, true) == nil // not before NewFile: every report would wake Go's poller
}

// addFolder watches a directory that is open and about to be listed. The path through the descriptor of the root leads to that
// very directory, unless one between them was moved: those are watched. Its own time, which was recorded while only the
// directory above was watched, must still be true.
func (w *Watch) addFolder(f *folder, dir *os.File) {
	if w == nil || w.gaveUp.Load() {
		return
	}
	var id int
	var err error
	path := "/proc/self/fd/" + strconv.Itoa(int(w.base.Fd())) + "/" + f.path
	closed := w.conn.Control(func(fd uintptr) { id, err = unix.InotifyAddWatch(int(fd), path, watchedEvents) })
	var now unix.Stat_t
	if closed != nil || err != nil || unix.Fstat(int(dir.Fd()), &now) != nil || f.path != "." && infoOf(&now).mtime != f.mtime {
		w.giveUp()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.folders[int32(id)] = f.path
	if len(w.folders) > w.maxFolders {
		w.giveUp()
	}
}

// giveUp gives the tree up: it has changed or cannot be watched.
func (w *Watch) giveUp() {
	if w != nil {
		w.gaveUp.Store(true)
	}
}

// drainScan keeps the queue short during the scan, which opens directories and files itself.
func (w *Watch) drainScan() {
	if w != nil && !w.gaveUp.Load() && !w.drain(func(event) {}) {
		w.giveUp()
	}
}

// end is called when the scan has succeeded.
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
func (w *Watch) recordOpened(r event) {
	if r.mask&unix.IN_ISDIR == 0 {
		w.opened[filepath.Join(w.folders[r.folder], r.name)] = true
	}
}

// hasSameFiles tells whether the files that were opened are what they were. They are asked for every time: nothing tells
// for certain that the last who opened one has closed it.
func (w *Watch) hasSameFiles() bool {
	if len(w.opened) > maxOpened {
		return false
	}
	for name := range w.opened {
		var st unix.Stat_t
		if unix.Lstat(filepath.Join(w.path, name), &st) != nil || st.Ctim.Nano() > w.started.Add(-clockSlack).UnixNano() {
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

// maxFoldersPerTree is how many directories one tree may take of those that the programs of a user may watch: an eighth.
func maxFoldersPerTree() int {
	text, _ := os.ReadFile("/proc/sys/fs/inotify/max_user_watches")
	limit, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		limit = 8192 // what old kernels allow
	}
	return limit / 8
}
