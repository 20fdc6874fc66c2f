package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// removeTornIndex removes the index of the cache if it was not written to its end: BuildKit's client refuses to add to
// such an index, now and ever after. The caches that it named are then missing until they are written again. It returns
// an error for a file of another origin: the folder of a cache also has the file oci-layout.
//
// The client writes the index in place, so that a plugin that is killed then, or a full disk, leaves a part of it.
func (s *cacheStore) removeTornIndex(ctx context.Context) error {
	if whole, err := s.hasWholeIndex(ctx); err != nil || whole {
		return err
	}
	lock := flock.New(filepath.Join(s.root.Name(), ocispecs.ImageIndexFile+".lock")) // as the client locks it
	locked, err := lock.TryLock()
	if err != nil || !locked { // another process is about to complete it
		return err
	}
	whole, err := s.hasWholeIndex(ctx) // it may have been completed meanwhile
	if err == nil && !whole {
		err = s.root.Remove(ocispecs.ImageIndexFile)
	}
	return errors.Join(err, lock.Unlock())
}

// hasWholeIndex tells whether the client can add to the index of the cache. It returns an error, which shows nothing of
// the text, if the index is that of no cache.
func (s *cacheStore) hasWholeIndex(ctx context.Context) (bool, error) {
	text, err := s.read(ctx, ocispecs.ImageIndexFile)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (len(text) == 0 || json.Valid(text)) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if _, err := s.root.Lstat(ocispecs.ImageLayoutFile); err != nil {
		return false, fmt.Errorf("%s: %w", filepath.Join(s.root.Name(), ocispecs.ImageIndexFile), errNoCacheIndex)
	}
	return false, nil
}

// Writer returns a writer of a blob. The solve remembers what fails on this machine.
func (s *cacheStore) Writer(ctx context.Context, opts ...content.WriterOpt) (content.Writer, error) {
	w, err := s.Store.Writer(ctx, opts...)
	if err != nil {
		return nil, s.note(err)
	}
	return &cacheWriter{Writer: w, store: s}, nil
}

// note remembers err if it is about a file of the cache, and returns it.
//
// The daemon tells such an error only as text, as it tells what fails on its own disk. If the build goes on without the
// cache, nothing is remembered.
func (s *cacheStore) note(err error) error {
	if failure := s.fileError(err); failure != nil && s.stop != nil {
		_ = s.stop(failure)
	}
	return err
}

// fileError returns a *CacheError if err is about a file of the cache, and nil if not.
func (s *cacheStore) fileError(err error) error {
	path, cause, ok := fileError(s.root.Name(), err)
	if !ok {
		return nil
	}
	return &CacheError{Err: &fs.PathError{Op: "write", Path: path, Err: cause}}
}

// cacheWriter writes one blob of a cache.
type cacheWriter struct {
	content.Writer
	store *cacheStore
}

// Write writes a part of the blob.
func (w *cacheWriter) Write(data []byte) (int, error) {
	n, err := w.Writer.Write(data)
	return n, w.store.note(err)
}

// Commit completes the blob.
func (w *cacheWriter) Commit(ctx context.Context, size int64, expected digest.Digest, opts ...content.Opt) error {
	return w.store.note(w.Writer.Commit(ctx, size, expected, opts...))
}

// cacheIndexError returns a *CacheError if err is about a file that BuildKit's client writes beside the blobs of a
// cache, and nil if not.
func cacheIndexError(err error) error {
	failed, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return nil
	}
	switch filepath.Base(failed.Path) {
	case ocispecs.ImageIndexFile, ocispecs.ImageIndexFile + ".lock", ocispecs.ImageLayoutFile:
		return &CacheError{Err: failed}
	}
	return nil
}
