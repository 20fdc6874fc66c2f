package folder

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a cache that is restored, besides its bytes.
const (
	mostEntries = 1 << 20
	mostRemoved = 64 << 20 // bytes of the list of removed paths
)

// packed is a cache that was unpacked beside the content of a mount.
type packed struct {
	headers []*tar.Header
	removed []string
	report  Report
}

// unpack writes what was packed in the folder from into the folder root, at most so many bytes. Links lead out of
// neither. It sets the attributes of everything but folders.
func unpack(root *os.Root, from string, limit int64) (p packed, err error) {
	source, err := os.OpenRoot(from)
	if err != nil {
		return p, err
	}
	defer func() { _ = source.Close() }()
	if p.removed, err = readRemoved(source); err != nil {
		return p, err
	}
	file, err := source.Open(archiveFile)
	if err != nil {
		return p, err
	}
	defer func() { _ = file.Close() }()
	for archive := tar.NewReader(file); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err == nil {
			err = p.check(h, limit)
		}
		if err != nil {
			return p, err
		}
		if err := unpackEntry(root, h, archive); err != nil {
			return p, fmt.Errorf("%s: %w", h.Name, err)
		}
		p.headers = append(p.headers, h)
	}
}

// readRemoved reads the paths that the packed mount did not have any more.
func readRemoved(source *os.Root) (removed []string, err error) {
	f, err := source.Open(removedFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, mostRemoved+1))
	if err == nil && len(text) > mostRemoved {
		err = fmt.Errorf("%s has more than %d bytes", removedFile, mostRemoved)
	}
	if err == nil {
		err = json.Unmarshal(text, &removed)
	}
	return removed, err
}

// check counts an entry and cleans its name. It returns an error for one that no packed cache has.
func (p *packed) check(h *tar.Header, limit int64) error {
	h.Name = filepath.Clean(h.Name)
	first, _, _ := strings.Cut(h.Name, "/")
	if h.Typeflag == tar.TypeReg { // the size of a sparse file is that with its holes
		p.report.Files, p.report.Bytes = p.report.Files+1, p.report.Bytes+h.Size
	}
	switch {
	case !filepath.IsLocal(h.Name) || first == marker:
		return fmt.Errorf("%s: a packed cache has no such name", h.Name)
	case len(p.headers) >= mostEntries:
		return fmt.Errorf("it has more than %d files", mostEntries)
	case p.report.Bytes > limit || h.Size < 0:
		return fmt.Errorf("its files have more than %d bytes", limit)
	}
	return nil
}

// unpackEntry writes one entry.
func unpackEntry(root *os.Root, h *tar.Header, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(h.Name), 0o700); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(h.Name, 0o700)
	case tar.TypeReg:
		return unpackFile(root, h, content)
	case tar.TypeSymlink:
		return unpackSymlink(root, h)
	case tar.TypeLink:
		return root.Link(filepath.Clean(h.Linkname), h.Name)
	}
	return errors.New("a packed cache has no such kind of file")
}

// unpackFile writes a file.
func unpackFile(root *os.Root, h *tar.Header, content io.Reader) error {
	f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, content, make([]byte, 1<<18))
	if err == nil && n != h.Size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = setOwner(f, h)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Chtimes(h.Name, time.Time{}, h.ModTime)
}

// unpackSymlink makes a symbolic link.
func unpackSymlink(root *os.Root, h *tar.Header) error {
	if err := root.Symlink(h.Linkname, h.Name); err != nil {
		return err
	}
	if err := root.Lchown(h.Name, h.Uid, h.Gid); err != nil {
		return err
	}
	modified, err := unix.TimeToTimespec(h.ModTime)
	if err != nil {
		return err
	}
	folder, err := root.Open(filepath.Dir(h.Name))
	if err != nil {
		return err
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, modified}
	err = unix.UtimesNanoAt(int(folder.Fd()), filepath.Base(h.Name), times, unix.AT_SYMLINK_NOFOLLOW)
	return errors.Join(err, folder.Close())
}
