package buildkit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// UnpushedImage is an image that a daemon has built and no registry has. The daemon keeps its layers as build cache,
// and drops its index, manifests and configurations soon. UnpushedImage has these.
type UnpushedImage struct {
	documents map[digest.Digest][]byte
	root      digest.Digest
}

// Limits of reading an image. The daemon itself takes no longer manifest from a client.
const (
	unpushedDocumentBytes = 4 << 20
	unpushedBytes         = 16 << 20
	unpushedTimeout       = 10 * time.Second
)

// Size returns the number of bytes that the image takes in memory.
func (u *UnpushedImage) Size() (bytes int) {
	for _, text := range u.documents {
		bytes += len(text)
	}
	return bytes
}

// names tells whether a manifest of the image names a digest.
func (u *UnpushedImage) names(d digest.Digest) bool {
	for _, text := range u.documents {
		if bytes.Contains(text, []byte(d)) {
			return true
		}
	}
	return false
}

// readUnpushedImage reads the index, the manifests and the configurations of an image that the daemon has just built.
// It returns an error if the daemon has dropped one of them already.
func readUnpushedImage(ctx context.Context, c *client.Client, root string) (*UnpushedImage, error) {
	ctx, stop := context.WithTimeoutCause(ctx, unpushedTimeout, fmt.Errorf("no answer within %s", unpushedTimeout))
	defer stop()
	u := &UnpushedImage{documents: map[digest.Digest][]byte{}, root: digest.Digest(root)}
	return u, u.read(ctx, proxy.NewContentStore(c.ContentClient()), u.root)
}

// read adds the document with this digest, and those that it names. It leaves out layers.
func (u *UnpushedImage) read(ctx context.Context, store content.Provider, d digest.Digest) error {
	if _, ok := u.documents[d]; ok {
		return nil
	}
	text, err := readDocument(ctx, store, d)
	if err != nil {
		return fmt.Errorf("%s: %w", d, err)
	}
	if u.documents[d] = text; u.Size() > unpushedBytes {
		return fmt.Errorf("%s: the manifests and configurations have more than %d bytes", u.root, unpushedBytes)
	}
	var document struct { // an index, a manifest or a configuration, whose own config has no digest
		Manifests []ocispecs.Descriptor
		Config    struct{ Digest digest.Digest }
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("%s: %w", d, err)
	}
	for _, manifest := range document.Manifests {
		if err := u.read(ctx, store, manifest.Digest); err != nil {
			return err
		}
	}
	if document.Config.Digest == "" {
		return nil
	}
	return u.read(ctx, store, document.Config.Digest)
}

// readDocument returns the content with a digest. It returns an error for content that is too long, or that has another
// digest.
func readDocument(ctx context.Context, store content.Provider, d digest.Digest) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	blob, err := store.ReaderAt(ctx, ocispecs.Descriptor{Digest: d})
	if err != nil {
		return nil, err
	}
	defer func() { _ = blob.Close() }()
	if blob.Size() > unpushedDocumentBytes {
		return nil, fmt.Errorf("it has %d bytes", blob.Size())
	}
	text := make([]byte, blob.Size())
	if _, err := blob.ReadAt(text, 0); err != nil && len(text) > 0 {
		return nil, err
	}
	if d.Algorithm().FromBytes(text) != d {
		return nil, errors.New("it has another digest")
	}
	return text, nil
}
