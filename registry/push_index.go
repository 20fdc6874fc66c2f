package registry

import (
	"context"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// PushIndex stores an index in a repository by its digest, and before it what the repository lacks of its manifests and
// their layers. It reads each manifest back by its bytes. No tag moves: SetTags does that.
//
// Within a registry it asks to mount a layer. It copies a layer that cannot be mounted, or that comes from another
// registry, without a file and without holding the layer in memory.
//
// The budget of a Client bounds each manifest, and each layer from the last byte that was new. PushIndex returns
// ErrMismatch if a registry serves other bytes than those of a digest, or does not keep them, and the errors of
// SetTags.
func (c *Client) PushIndex(ctx context.Context, repository string, index Index) error {
	var pushed []digest.Digest
	for _, part := range index.parts {
		if part.repository == repository || slices.Contains(pushed, part.document.digest) {
			continue
		}
		if err := c.copyPart(ctx, repository, part); err != nil {
			return fmt.Errorf("copying %s@%s to %s: %w", part.repository, part.document.digest, repository, err)
		}
		pushed = append(pushed, part.document.digest)
	}
	if err := c.storeDocument(ctx, repository, index.document); err != nil {
		return fmt.Errorf("pushing to %s: %w", repository, err)
	}
	return nil
}

// copyPart copies a manifest and its layers to a repository that does not have it.
func (c *Client) copyPart(ctx context.Context, repository string, part indexPart) error {
	if c.hasManifest(ctx, repository, part.document.digest) {
		return nil
	}
	group, bounded := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, blob := range blobsOf(part.document) {
		rescue.GoErrGroup(group, func() error {
			if err := c.copyBlob(bounded, part.repository, repository, blob); err != nil {
				return fmt.Errorf("layer %s: %w", blob.Digest, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return c.storeDocument(ctx, repository, part.document)
}

// hasManifest reports whether a repository serves a digest. It returns false if nobody knows: the push will tell.
func (c *Client) hasManifest(ctx context.Context, repository string, want digest.Digest) bool {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	s, err := c.session(ctx, repository, pushPull)
	if err != nil {
		return false
	}
	held, _, err := s.head(ctx, want.String())
	return err == nil && held == want
}

// storeDocument puts a document under its digest, unless it is there, and reads it back.
func (c *Client) storeDocument(ctx context.Context, repository string, d document) error {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	s, err := c.session(ctx, repository, pushPull)
	if err != nil {
		return err
	}
	if held, _, _ := s.head(ctx, d.digest.String()); held != d.digest {
		if err := s.put(ctx, d.digest.String(), d); err != nil {
			return err
		}
	}
	if _, err := s.fetchDigest(ctx, d.digest); err != nil {
		return fmt.Errorf("reading it back: %w", err)
	}
	return nil
}

// blobsOf returns the configuration and the layers of an image, each once. It leaves out those that no registry is to
// have, such as the base layers of Windows.
func blobsOf(d document) []ocispec.Descriptor {
	var blobs []ocispec.Descriptor
	for _, blob := range append([]ocispec.Descriptor{d.content.Config}, d.content.Layers...) {
		same := func(other ocispec.Descriptor) bool { return other.Digest == blob.Digest }
		if len(blob.URLs) == 0 && !slices.ContainsFunc(blobs, same) {
			blobs = append(blobs, blob)
		}
	}
	return blobs
}

// newNotAnImage returns the error of a document that is no image.
func newNotAnImage(d document) error {
	text := fmt.Sprintf("%v: %q is no image manifest", fault.ErrUnsupported, fault.OneLine(d.mediaType))
	return fault.New(fault.NotAnImage, text, fault.ErrUnsupported)
}
