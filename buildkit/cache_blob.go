package buildkit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// blob is an open file of a cache.
type blob struct {
	*os.File
	info fs.FileInfo
}

// Size implements content.ReaderAt.
func (b *blob) Size() int64 { return b.info.Size() }

// ReaderAt implements content.Provider.
func (s *cacheStore) ReaderAt(_ context.Context, desc ocispecs.Descriptor) (content.ReaderAt, error) {
	return rescue.Value(func() (content.ReaderAt, error) {
		b, err := s.open(desc.Digest)
		if err != nil {
			return nil, blobError(desc.Digest, err)
		}
		return b, nil
	})
}

// Info implements content.InfoProvider.
func (s *cacheStore) Info(_ context.Context, d digest.Digest) (content.Info, error) {
	return rescue.Value(func() (content.Info, error) {
		b, err := s.open(d)
		if err != nil {
			return content.Info{}, blobError(d, err)
		}
		info := content.Info{Digest: d, Size: b.Size(), CreatedAt: b.info.ModTime(), UpdatedAt: b.info.ModTime()}
		return info, b.Close()
	})
}

// blobError returns err, or errdefs.ErrNotFound for a missing file, as containerd's stores do.
func blobError(d digest.Digest, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("content %s: %w", d, errdefs.ErrNotFound)
	}
	return err
}
