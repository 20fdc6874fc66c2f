package source

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"io"
	"os"
	"time"
)

const treeHeader = "pulumi-buildkit tree v1"

// hashedMode are the bits of a mode that belong to the digest; see the package comment.
const hashedMode = os.ModeSetuid | os.ModeSetgid | os.ModeSticky | 0o755

// Digest is the digest of the tree in the format of the package comment.
func (t *Tree) Digest() [sha256.Size]byte {
	h := sha256.New()
	WriteField(h, []byte(treeHeader))
	for _, e := range t.entries {
		e.writeTo(h)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (e *entry) writeTo(h hash.Hash) {
	var content []byte
	if e.mode().IsRegular() {
		content = e.sum[:]
	}
	for _, field := range [][]byte{
		{e.kind()},
		[]byte(e.stat.Path),
		binary.BigEndian.AppendUint32(nil, unixMode(e.mode()&hashedMode)),
		[]byte(e.stat.Linkname),
		content,
		e.stat.Xattrs[capabilityXattr],
	} {
		WriteField(h, field)
	}
}

func (e *entry) kind() byte {
	switch {
	case e.mode().IsDir():
		return 'd'
	case e.mode()&os.ModeSymlink != 0:
		return 'l'
	default:
		return 'f'
	}
}

// unixMode lays the bits out as chmod(2) numbers them: Go's own layout of setuid, setgid and sticky is no format to keep.
func unixMode(m os.FileMode) uint32 {
	bits := uint32(m.Perm())
	for flag, bit := range map[os.FileMode]uint32{os.ModeSetuid: 0o4000, os.ModeSetgid: 0o2000, os.ModeSticky: 0o1000} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

// WriteField writes one field of a canonical encoding: its length as an unsigned varint, then its bytes. Two different
// sequences of fields never have the same encoding. Writing to a hash does not fail.
func WriteField(h hash.Hash, field []byte) {
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(field))))
	_, _ = h.Write(field)
}

// contentTime is the modification time that is sent for a file: the real second and, as nanoseconds, its content.
// A daemon compares only size, time and mode with what it received before; other content must be another stat, or it
// builds the old bytes. Layers keep whole seconds, so that the image does not change.
func contentTime(t time.Time, sum [sha256.Size]byte) int64 {
	return t.Unix()*int64(time.Second) + int64(binary.BigEndian.Uint64(sum[:8])%uint64(time.Second))
}

// digestReader hashes what is read through it and counts the bytes.
type digestReader struct {
	r io.Reader
	h hash.Hash
	n int64
}

func (d *digestReader) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	_, _ = d.h.Write(p[:n])
	d.n += int64(n)
	return n, err
}

func (d *digestReader) sum() [sha256.Size]byte { return [sha256.Size]byte(d.h.Sum(nil)) }
