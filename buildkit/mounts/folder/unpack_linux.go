package folder

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// marker is the name of a folder in a mount that is being restored. If the builder was killed meanwhile, it stays, and
// the next restore begins anew. It is never packed.
const marker = ".pulumi-buildkit-restoring"

// unpacker restores a mount.
type unpacker struct {
	mount   *os.Root
	folders []*tar.Header
	report  Report
}

// restore fills a mount from the folder of an image. It leaves a mount as it is that holds more than it starts with,
// unless an earlier restore did not finish. Steps of other builds that share the mount see whole files only.
//
// If the cache is broken, the mount is left with what it starts with, or with the marker.
func restore(mount, base, from string) (r Report, err error) {
	root, err := os.OpenRoot(mount)
	if err != nil {
		return r, err
	}
	defer func() { _ = root.Close() }()
	unlock, err := lock(root)
	if err != nil {
		return r, err
	}
	defer unlock()
	now, err := read(mount, base)
	if err != nil {
		return r, err
	}
	if !now.isEmpty {
		return now.report(), nil
	}
	u := &unpacker{mount: root}
	if err := u.unpack(from); err != nil {
		if now.base == "" {
			err = errors.Join(err, clearFolder(root))
		}
		return r, err
	}
	u.report.Restored = true
	return u.report, nil
}

// lock locks a mount against other restores. The kernel unlocks it when the process ends.
func lock(root *os.Root) (unlock func(), err error) {
	folder, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return func() { _ = folder.Close() }, nil
}

// clearFolder removes everything in a folder.
func clearFolder(root *os.Root) error {
	names, err := fs.ReadDir(root.FS(), ".")
	for _, d := range names {
		err = errors.Join(err, root.RemoveAll(d.Name()))
	}
	return err
}

// unpack writes what was packed into the folder from. The attributes of folders come last, because each new file
// changes the time of its folder.
func (u *unpacker) unpack(from string) error {
	source, err := os.OpenRoot(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	if err := u.mount.Mkdir(marker, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := u.removeAll(source); err != nil {
		return err
	}
	archive, err := source.Open(archiveFile)
	if err != nil {
		return err
	}
	defer func() { _ = archive.Close() }()
	if err := u.addAll(tar.NewReader(archive)); err != nil {
		return err
	}
	if err := u.mount.RemoveAll(marker); err != nil {
		return err
	}
	for _, h := range slices.Backward(u.folders) {
		if err := u.setAttributes(h); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return nil
}

// removeAll removes the paths that the packed mount did not have any more.
func (u *unpacker) removeAll(source *os.Root) error {
	text, err := source.ReadFile(removedFile)
	if err != nil {
		return err
	}
	var removed []string
	if err := json.Unmarshal(text, &removed); err != nil {
		return err
	}
	for _, path := range removed {
		if err := u.mount.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// addAll writes every entry of an archive.
func (u *unpacker) addAll(archive *tar.Reader) error {
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		h.Name = filepath.Clean(h.Name)
		if first, _, _ := strings.Cut(h.Name, "/"); !filepath.IsLocal(h.Name) || first == marker {
			return fmt.Errorf("%s: a packed cache has no such name", h.Name)
		}
		if err := u.add(h, archive); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}

// add writes one entry. It makes it beside the mount's own files and then renames it.
func (u *unpacker) add(h *tar.Header, content io.Reader) error {
	temp := filepath.Join(marker, "new")
	switch h.Typeflag {
	case tar.TypeDir:
		return u.addFolder(h)
	case tar.TypeReg:
		if err := u.addFile(h, temp, content); err != nil {
			return err
		}
	case tar.TypeSymlink:
		if err := u.addSymlink(h, temp); err != nil {
			return err
		}
	case tar.TypeLink:
		if err := u.mount.Link(filepath.Clean(h.Linkname), temp); err != nil {
			return err
		}
	default:
		return errors.New("a packed cache has no such kind of file")
	}
	if err := u.makeRoom(h.Name); err != nil {
		return err
	}
	return u.mount.Rename(temp, h.Name)
}

// makeRoom makes the folder above a path, and removes a folder at the path.
func (u *unpacker) makeRoom(path string) error {
	if info, err := u.mount.Lstat(path); err == nil && info.IsDir() {
		return u.mount.RemoveAll(path)
	}
	return u.mount.MkdirAll(filepath.Dir(path), 0o755)
}

// addFolder makes a folder, or takes the one that is there.
func (u *unpacker) addFolder(h *tar.Header) error {
	u.folders = append(u.folders, h)
	if info, err := u.mount.Lstat(h.Name); err == nil && !info.IsDir() {
		if err := u.mount.Remove(h.Name); err != nil {
			return err
		}
	}
	return u.mount.MkdirAll(h.Name, 0o755)
}

// addFile writes a file.
func (u *unpacker) addFile(h *tar.Header, path string, content io.Reader) error {
	f, err := u.mount.Create(path)
	if err != nil {
		return err
	}
	if n, err := io.CopyBuffer(struct{ io.Writer }{f}, content, make([]byte, 1<<18)); err != nil || n != h.Size {
		return errors.Join(err, f.Close())
	}
	u.report.Files, u.report.Bytes = u.report.Files+1, u.report.Bytes+h.Size
	if err := errors.Join(setOwner(f, h), f.Close()); err != nil {
		return err
	}
	return u.mount.Chtimes(path, time.Time{}, h.ModTime)
}

// setAttributes sets what belongs to a folder.
func (u *unpacker) setAttributes(h *tar.Header) error {
	f, err := u.mount.Open(h.Name)
	if err != nil {
		return err
	}
	if err := errors.Join(setOwner(f, h), f.Close()); err != nil {
		return err
	}
	return u.mount.Chtimes(h.Name, time.Time{}, h.ModTime)
}

// addSymlink makes a symbolic link.
func (u *unpacker) addSymlink(h *tar.Header, path string) error {
	if err := u.mount.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := u.mount.Symlink(h.Linkname, path); err != nil {
		return err
	}
	if err := u.mount.Lchown(path, h.Uid, h.Gid); err != nil {
		return err
	}
	modified, err := unix.TimeToTimespec(h.ModTime)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, filepath.Join(u.mount.Name(), path),
		[]unix.Timespec{{Nsec: unix.UTIME_OMIT}, modified}, unix.AT_SYMLINK_NOFOLLOW)
}
