package folder

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// entry is a regular file, a folder or a symbolic link of a mount. Devices, FIFOs and sockets do not travel.
type entry struct {
	path     string // in the mount; "." is the mount itself
	mode     uint32 // as the kernel has it
	uid, gid uint32
	size     int64
	modified unix.Timespec
	link     string // of a symbolic link
	inode    inode
	names    uint64 // that the inode has
}

type inode struct{ device, number uint64 }

func (e entry) kind() uint32   { return e.mode & unix.S_IFMT }
func (e entry) isFile() bool   { return e.kind() == unix.S_IFREG }
func (e entry) isFolder() bool { return e.kind() == unix.S_IFDIR }

// scan lists a folder in a fixed order. It leaves out what disappears meanwhile: another build may use the mount.
func scan(folder string) (all []entry, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != folder {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if name == marker && d.IsDir() {
			return fs.SkipDir
		}
		e, err := readEntry(path, d)
		if err == nil && e.kind() != 0 {
			e.path = name
			all = append(all, e)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return all, err
}

// readEntry returns the entry of a path. It returns the zero entry for a device, a FIFO or a socket.
func readEntry(path string, d fs.DirEntry) (e entry, err error) {
	info, err := d.Info()
	if err != nil {
		return e, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return e, errors.ErrUnsupported
	}
	e = entry{
		mode: stat.Mode, uid: stat.Uid, gid: stat.Gid, modified: unix.Timespec(stat.Mtim),
		inode: inode{stat.Dev, stat.Ino},
		names: uint64(stat.Nlink), //nolint:unconvert // it has 32 bits on arm64
	}
	switch e.kind() {
	case unix.S_IFREG:
		e.size = stat.Size
	case unix.S_IFLNK:
		e.link, err = os.Readlink(path)
	case unix.S_IFDIR:
	default:
		return entry{}, nil
	}
	return e, err
}

// equals tells whether two entries are the same file as far as a scan can see. The times of folders do not count,
// because each file that comes and goes changes them.
func (e entry) equals(other entry) bool {
	return e.mode == other.mode && e.uid == other.uid && e.gid == other.gid && e.size == other.size &&
		e.link == other.link && (e.isFolder() || e.modified == other.modified)
}

// compare returns the entries that the base does not have, and the paths that only the base has. It leaves out paths
// below such a path.
func compare(all, base []entry) (changed []entry, removed []string) {
	before, still := map[string]entry{}, map[string]bool{".": true}
	for _, e := range base {
		before[e.path] = e
	}
	for _, e := range all {
		still[e.path] = true
		if old, ok := before[e.path]; !ok || !e.equals(old) {
			changed = append(changed, e)
		}
	}
	for _, e := range base {
		if !still[e.path] && still[filepath.Dir(e.path)] {
			removed = append(removed, e.path)
		}
	}
	return changed, removed
}

// digestOf returns the digest of the listing of entries, and of removed paths.
func digestOf(entries []entry, removed []string) string {
	h := sha256.New()
	for _, e := range entries {
		e.write(h)
		if !e.isFolder() {
			canon.WriteField(h, strconv.AppendInt(nil, e.modified.Nano(), 10))
		}
	}
	for _, path := range removed {
		canon.WriteField(h, []byte("removed "+path))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// write adds to a hash all that identifies an entry but its time.
func (e entry) write(h hash.Hash) {
	canon.WriteField(h, []byte(e.path))
	for _, n := range []int64{int64(e.mode), int64(e.uid), int64(e.gid), e.size} {
		canon.WriteField(h, strconv.AppendInt(nil, n, 10))
	}
	canon.WriteField(h, []byte(e.link))
}

// hashContent returns the digest of the content of a folder. It is the same on every builder, because times do not
// count.
func hashContent(folder string, entries []entry) (string, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }()
	h := sha256.New()
	for _, e := range entries {
		e.write(h)
		if !e.isFile() {
			continue
		}
		f, err := root.Open(e.path)
		if err != nil {
			return "", err
		}
		content := sha256.New()
		_, err = io.Copy(content, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return "", err
		}
		canon.WriteField(h, content.Sum(nil))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
