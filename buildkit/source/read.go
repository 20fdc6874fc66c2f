package source

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
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

// read records the content of a file, from memory when nothing about it changed since it was last read.
func (w *walk) read(dir *os.File, name string, info fileInfo, e *entry, known *folderCache) error {
	e.size = info.size
	if !known.recall(name, info, e) {
		started := time.Now()
		if err := e.readFile(w.ctx, dir, name, info); err != nil {
			return err
		}
		known.learn(name, info, e, started)
	}
	e.mtime = contentTime(time.Unix(info.mtime, 0), e.sum)
	return nil
}

// readFile reads and hashes the content. What lstat said before must still be true.
func (e *entry) readFile(ctx context.Context, dir *os.File, name string, info fileInfo) error {
	f, err := openAt(dir, name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	now, err := f.Stat()
	if err != nil {
		return err
	}
	if !now.Mode().IsRegular() {
		return &ChangedError{Path: e.path, Change: Replaced, hashing: true, cause: errNoFile}
	}
	content := &digestReader{ctx: ctx, r: f, h: sha256.New()}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{content}, *buffer); err != nil {
		return err
	}
	if content.n != info.size {
		return &ChangedError{
			Path: e.path, Change: (&sizeError{was: info.size, is: content.n}).change(), hashing: true,
			cause: fmt.Errorf("%d bytes became %d", info.size, content.n),
		}
	}
	e.sum = content.sum()
	return nil
}
