package source

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"os"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

const treeHeader = "pulumi-buildkit tree v1"

// hashedMode are the bits of a mode that belong to the digest; see the package comment.
const hashedMode = os.ModeSetuid | os.ModeSetgid | os.ModeSticky | 0o755

// Digest is the digest of the tree in the format of the package comment. It is worked out once: many images may be made of one tree.
func (t *Tree) Digest() [sha256.Size]byte {
	t.digestOnce.Do(func() { t.sum = t.digest() })
	return t.sum
}

func (t *Tree) digest() [sha256.Size]byte {
	h := sha256.New()
	buffer := canon.AppendField(make([]byte, 0, 64<<10), treeHeader)
	for i := range t.entries {
		if buffer = t.entries[i].appendTo(buffer); len(buffer) > 32<<10 {
			_, _ = h.Write(buffer)
			buffer = buffer[:0]
		}
	}
	_, _ = h.Write(buffer)
	return [sha256.Size]byte(h.Sum(nil))
}

// appendTo appends the record of the entry.
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

// unixMode lays the bits out as chmod(2) numbers them: Go's own layout of setuid, setgid and sticky is no format to keep.
func unixMode(m os.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&os.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if m&os.ModeSetgid != 0 {
		bits |= 0o2000
	}
	if m&os.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// contentTime is the modification time that is sent for a file: the real second and, as nanoseconds, its content.
// A daemon compares only size, time and mode with what it received before; other content must be another stat, or it
// builds the old bytes. Layers keep whole seconds, so that the image does not change. 30 bits are enough for chance, not
// against intent: Transfers sees to that.
func contentTime(t time.Time, sum [sha256.Size]byte) int64 {
	return t.Unix()*int64(time.Second) + int64(binary.BigEndian.Uint64(sum[:8])%uint64(time.Second))
}

// digestReader hashes what is read through it and counts the bytes. It ends with ctx: a file may be large.
type digestReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one file is read
	r   io.Reader
	h   hash.Hash
	n   int64
}

func (d *digestReader) Read(p []byte) (int, error) {
	if d.ctx.Err() != nil {
		return 0, context.Cause(d.ctx)
	}
	n, err := d.r.Read(p)
	_, _ = d.h.Write(p[:n])
	d.n += int64(n)
	return n, err
}

func (d *digestReader) sum() [sha256.Size]byte { return [sha256.Size]byte(d.h.Sum(nil)) }
