package folder

import (
	"archive/tar"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// marker is the name of a folder in a mount into which a cache is unpacked. It is never packed. If the builder was
// killed meanwhile, it stays until the mount is restored or saved.
const marker = ".pulumi-buildkit-restoring"

// restore fills a mount from the folder of an image, with at most so many bytes. It leaves a mount as it is that holds
// more than it starts with.
//
// The cache is unpacked beside the content, and moved there when it is whole. So a broken one leaves the mount as it
// was. Other builds may share the mount: what they write is neither replaced nor removed.
func restore(mount, base, from string, limit int64) (r Report, err error) {
	root, err := os.OpenRoot(mount)
	if err != nil {
		return r, err
	}
	defer func() { _ = root.Close() }()
	unlock, err := lock(root, unix.LOCK_EX)
	if err != nil {
		return r, err
	}
	defer unlock()
	now, err := read(mount, base)
	if err != nil || !now.isEmpty {
		return now.report(), err
	}
	if err := errors.Join(root.RemoveAll(marker), root.Mkdir(marker, 0o700)); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, root.RemoveAll(marker)) }()
	beside, err := root.OpenRoot(marker)
	if err != nil {
		return r, err
	}
	p, err := unpack(beside, from, limit)
	if err = errors.Join(err, beside.Close()); err != nil {
		return r, err
	}
	m := mover{mount: root, start: now.start}
	if err := m.moveAll(p); err != nil {
		return r, err
	}
	p.report.Restored = true
	return p.report, nil
}

// lock locks a mount against other restores. The kernel unlocks it when the process ends.
func lock(root *os.Root, how int) (unlock func(), err error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(folder.Fd()), how); err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return func() { _ = folder.Close() }, nil
}

// dropMarker removes what a restore left that was killed. It does nothing while one runs.
func dropMarker(mount string) error {
	root, err := os.OpenRoot(mount)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	unlock, err := lock(root, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	return root.RemoveAll(marker)
}

// mover moves an unpacked cache into its mount.
type mover struct {
	mount   *os.Root
	start   map[string]entry // what the mount starts with
	folders []*tar.Header    // that get attributes
}

// moveAll moves everything. The attributes of folders come last, because each new file changes the time of its folder.
func (m *mover) moveAll(p packed) error {
	for _, path := range p.removed {
		if err := m.remove(path); err != nil {
			return err
		}
	}
	for _, h := range p.headers {
		if err := m.move(h); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	if err := m.mount.RemoveAll(marker); err != nil {
		return err
	}
	for _, h := range slices.Backward(m.folders) {
		if err := m.setAttributes(h); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return nil
}

// remove removes what the mount starts with at a path. It leaves what another build has put there, and its folders.
func (m *mover) remove(path string) error {
	if !m.isOfStart(path) {
		return nil
	}
	if m.start[path].isFolder() {
		inside, err := fs.ReadDir(m.mount.FS(), path)
		if err != nil {
			return err
		}
		for _, entry := range inside {
			if err := m.remove(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	err := m.mount.Remove(path)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// move moves one entry. It skips one that another build has made meanwhile.
func (m *mover) move(h *tar.Header) error {
	if h.Name == "." {
		m.folders = append(m.folders, h)
		return nil
	}
	err := m.place(h)
	if errors.Is(err, fs.ErrExist) && m.isOfStart(h.Name) {
		if info, errStat := m.mount.Lstat(h.Name); errStat == nil && info.IsDir() && h.Typeflag == tar.TypeDir {
			m.folders = append(m.folders, h)
			return nil
		}
		if err := m.mount.Remove(h.Name); err != nil {
			return err
		}
		err = m.place(h)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil && h.Typeflag == tar.TypeDir {
		m.folders = append(m.folders, h)
	}
	return err
}

// place makes one entry. It returns fs.ErrExist if there is something of that name.
func (m *mover) place(h *tar.Header) error {
	if h.Typeflag == tar.TypeDir {
		return m.mount.Mkdir(h.Name, 0o700)
	}
	return m.mount.Link(marker+"/"+h.Name, h.Name) // packed.check has cleaned the name, and a root keeps links inside
}

// isOfStart reports whether the mount still has at a path what it starts with.
func (m *mover) isOfStart(path string) bool {
	before, ok := m.start[path]
	if !ok {
		return false
	}
	info, err := m.mount.Lstat(path)
	if err != nil {
		return false
	}
	now, err := readEntry(filepath.Join(m.mount.Name(), path), fs.FileInfoToDirEntry(info))
	return err == nil && now.equals(before)
}

// setAttributes sets what belongs to a folder.
func (m *mover) setAttributes(h *tar.Header) error {
	f, err := m.mount.Open(h.Name)
	if err != nil {
		return err
	}
	if err := errors.Join(setOwner(f, h), f.Close()); err != nil {
		return err
	}
	return m.mount.Chtimes(h.Name, time.Time{}, h.ModTime)
}
