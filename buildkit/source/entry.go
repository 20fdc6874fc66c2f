package source

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"time"

	"github.com/tonistiigi/fsutil/types"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

// entry is one file, folder or link as it was recorded.
type entry struct {
	path  string // slash-separated, relative to the root
	mode  os.FileMode
	size  int64             // bytes of a file or of a link's text
	mtime int64             // as it is sent, nanoseconds
	link  string            // text of a link
	sum   [sha256.Size]byte // of the content of a file
}

// kind returns the letter for the type of the entry: d, l or f.
func (e *entry) kind() byte {
	switch {
	case e.mode.IsDir():
		return 'd'
	case e.mode&os.ModeSymlink != 0:
		return 'l'
	default:
		return 'f'
	}
}

// appendTo appends the record of the entry, of which the digest of a tree is made.
func (e *entry) appendTo(record []byte) []byte {
	record = append(record, 1, e.kind())
	record = canon.AppendField(record, e.path)
	record = binary.BigEndian.AppendUint32(append(record, 4), unixMode(e.mode&hashedMode))
	record = canon.AppendField(record, e.link)
	if e.mode.IsRegular() {
		return append(append(record, sha256.Size), e.sum[:]...)
	}
	return append(record, 0)
}

// contentMark returns the beginning of a file's digest, the text of a link, or nil for a folder.
func (e *entry) contentMark() []byte {
	switch e.kind() {
	case 'f':
		return e.sum[:markLength]
	case 'l':
		return []byte(e.link)
	}
	return nil
}

// stat returns the entry as it is sent to BuildKit: owned by root, hard links flattened, and with the seconds of epoch
// unless it is nil. The nanoseconds stay, because they are the content.
func (e *entry) stat(epoch *int64) *types.Stat {
	return &types.Stat{Path: e.path, Mode: uint32(e.mode), Size: e.size, ModTime: e.modTime(epoch), Linkname: e.link}
}

// modTime returns the modification time that is sent.
func (e *entry) modTime(epoch *int64) int64 {
	if epoch == nil {
		return e.mtime
	}
	return *epoch*int64(time.Second) + int64(time.Unix(0, e.mtime).Nanosecond())
}

// contentTime returns the modification time that is sent for a file: the real second and, as nanoseconds, its content.
//
// A daemon compares only size, time and mode with what it received before. Other content must have another stat, or the
// daemon builds the old bytes. Layers keep whole seconds, so the image does not change. 30 bits are enough against
// chance, but not against intent: Transfers sees to that.
func contentTime(t time.Time, sum [sha256.Size]byte) int64 {
	return t.Unix()*int64(time.Second) + int64(binary.BigEndian.Uint64(sum[:8])%uint64(time.Second))
}

// comparePaths orders paths part by part, on every system as fsutil.ComparePath does where slashes separate them.
func comparePaths(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
			continue
		case a[i] == '/', b[i] != '/' && a[i] < b[i]:
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}
