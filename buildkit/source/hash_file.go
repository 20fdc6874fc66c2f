package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
)

// fileInfo is what lstat says of a file, as far as it says whether the content may have changed.
type fileInfo struct {
	mode         os.FileMode
	size         int64
	mtime        int64  // seconds
	mtimeN       int64  // nanoseconds of it
	ctime, inode int64  // 0 where the system has none
	links        uint64 // hard links; 0 where the system does not tell
	device       uint64 // 0 where the system does not tell
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}

// hashFile returns the digest of the content of the file name in dir. It returns a *ChangedError for path if what lstat
// said before is no longer true.
func hashFile(ctx context.Context, dir *os.File, name, path string, info fileInfo) (sum [sha256.Size]byte, err error) {
	f, err := openAt(dir, name)
	if err != nil {
		return sum, err
	}
	defer func() { _ = f.Close() }()
	now, err := f.Stat()
	if err != nil {
		return sum, err
	}
	if !now.Mode().IsRegular() {
		return sum, &ChangedError{Path: path, Change: Replaced, hashing: true, cause: errNoFile}
	}
	content := &digestReader{ctx: ctx, r: f, h: sha256.New()}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{content}, *buffer); err != nil {
		return sum, err
	}
	if content.n != info.size {
		return sum, &ChangedError{
			Path: path, Change: (&sizeError{was: info.size, now: content.n}).change(), hashing: true,
			cause: fmt.Errorf("%d bytes became %d", info.size, content.n),
		}
	}
	return content.sum(), nil
}
