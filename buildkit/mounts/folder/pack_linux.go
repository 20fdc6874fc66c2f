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
	"time"

	"golang.org/x/sys/unix"
)

// Files of a packed cache.
const (
	archiveFile = "content.tar"
	removedFile = "removed.json"
)

// errChanged is a file that changed while it was packed.
var errChanged = errors.New("it changed while it was read")

// packer writes the archive of a mount.
type packer struct {
	mount   *os.Root
	out     *os.File
	archive *tar.Writer
	secrets [][]byte
	first   map[inode]string // the path of the first name of a file

	report Report
}

// pack writes the content of a mount into the folder out. It leaves out files with a secret, and files that change or
// disappear meanwhile.
func pack(c content, mount, out string, secrets [][]byte) (Report, error) {
	target, err := os.OpenRoot(out)
	if err != nil {
		return Report{}, err
	}
	defer func() { _ = target.Close() }()
	removed, err := json.Marshal(c.removed)
	if err == nil {
		err = target.WriteFile(removedFile, removed, 0o600)
	}
	if err != nil {
		return Report{}, err
	}
	p := &packer{secrets: secrets, first: map[inode]string{}, report: c.report()}
	p.report.Files, p.report.Bytes = 0, 0
	if p.mount, err = os.OpenRoot(mount); err != nil {
		return Report{}, err
	}
	defer func() { _ = p.mount.Close() }()
	if p.out, err = target.Create(archiveFile); err != nil {
		return Report{}, err
	}
	err = p.addAll(c.entries)
	return p.report, errors.Join(err, p.out.Close())
}

// addAll writes the archive.
func (p *packer) addAll(entries []entry) error {
	p.archive = tar.NewWriter(p.out)
	for _, e := range entries {
		if err := p.add(e); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	return p.archive.Close()
}

// add writes one entry, or leaves it out.
func (p *packer) add(e entry) error {
	header := newHeader(e)
	at, isFurtherName := p.first[e.inode]
	if isFurtherName = isFurtherName && e.isFile(); isFurtherName {
		header.Typeflag, header.Linkname, header.Size = tar.TypeLink, at, 0
	} else {
		addAttributes(filepath.Join(p.mount.Name(), e.path), header)
	}
	if p.holdsSecret(header) {
		p.report.WithSecret = append(p.report.WithSecret, "a name, a link or an attribute")
		return nil
	}
	if isFurtherName || !e.isFile() {
		return p.archive.WriteHeader(header)
	}
	start, err := p.out.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	found, err := p.addFile(e, header)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errChanged):
		return p.rewind(start)
	case err != nil:
		return err
	case found:
		p.report.WithSecret = append(p.report.WithSecret, e.path)
		return p.rewind(start)
	}
	if e.names > 1 {
		p.first[e.inode] = e.path
	}
	p.report.Files, p.report.Bytes = p.report.Files+1, p.report.Bytes+e.size
	return p.archive.Flush()
}

// holdsSecret reports whether a secret is in a name, in the target of a link or in an attribute.
func (p *packer) holdsSecret(h *tar.Header) bool {
	search := newSearch(p.secrets)
	_, _ = io.WriteString(search, h.Name+"\n"+h.Linkname) // a search does not fail
	for key, value := range h.PAXRecords {
		_, _ = io.WriteString(search, "\n"+key+"\n"+value)
	}
	return search.found
}

// addFile writes the header and the content of a file. It reports whether a secret is in the file. It returns
// errChanged for a file that is not the one of the entry any more.
func (p *packer) addFile(e entry, header *tar.Header) (found bool, err error) {
	f, err := p.mount.OpenFile(e.path, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may be a FIFO by now
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	if err := p.archive.WriteHeader(header); err != nil {
		return false, err
	}
	search := newSearch(p.secrets)
	n, err := io.CopyBuffer(p.archive, io.TeeReader(io.LimitReader(f, e.size), search), make([]byte, 1<<18))
	if err != nil {
		return false, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return false, err
	}
	if n < e.size || stat.Size != e.size || stat.Mtim != e.modified {
		return false, errChanged
	}
	return search.found, nil
}

// rewind drops what was written after an offset.
func (p *packer) rewind(offset int64) error {
	if err := p.out.Truncate(offset); err != nil {
		return err
	}
	if _, err := p.out.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	p.archive = tar.NewWriter(p.out) // the old one waits for the rest of the file
	return nil
}

// newHeader returns the header of an entry, with its exact time.
func newHeader(e entry) *tar.Header {
	h := &tar.Header{
		Name: e.path, Mode: int64(e.mode &^ unix.S_IFMT), Uid: int(e.uid), Gid: int(e.gid), Size: e.size,
		ModTime: time.Unix(e.modified.Unix()), Format: tar.FormatPAX, Typeflag: tar.TypeReg, Linkname: e.link,
	}
	switch e.kind() {
	case unix.S_IFDIR:
		h.Typeflag, h.Size, h.Name = tar.TypeDir, 0, h.Name+"/"
	case unix.S_IFLNK:
		h.Typeflag, h.Size = tar.TypeSymlink, 0
	}
	return h
}
