package source

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"
	"os"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/canon"
)

const treeHeader = "pulumi-buildkit tree v1"

// hashedMode has the bits of a mode that belong to the digest; see the package comment.
const hashedMode = os.ModeSetuid | os.ModeSetgid | os.ModeSticky | 0o755

// hashEntries returns the digest of a tree with these entries, in the format of the package comment.
func hashEntries(entries []entry) [sha256.Size]byte {
	h := sha256.New()
	buffer := canon.AppendField(make([]byte, 0, 64<<10), treeHeader)
	for i := range entries {
		if buffer = entries[i].appendTo(buffer); len(buffer) > 32<<10 {
			_, _ = h.Write(buffer)
			buffer = buffer[:0]
		}
	}
	_, _ = h.Write(buffer)
	return [sha256.Size]byte(h.Sum(nil))
}

// unixMode lays the bits out as chmod(2) numbers them. Go's own layout of setuid, setgid and sticky may change, so it
// is no format to keep.
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

// digestReader hashes what is read through it and counts the bytes. It ends with ctx, because a file may be large.
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
