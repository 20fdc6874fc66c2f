package registry

import (
	"context"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// IndexSource is an image or an index in a registry.
type IndexSource struct{ Repository, Digest string }

// String returns the source as repository@digest.
func (s IndexSource) String() string { return s.Repository + "@" + s.Digest }

// IndexRequest says what an index is to refer to.
type IndexRequest struct {
	Sources []IndexSource
	// Platforms are normalized, such as linux/arm/v7. The index gets only these; empty stands for all.
	Platforms []string
	// Annotations are those of the index itself.
	Annotations map[string]string
}

// Index is an index that Combine has made, and that PushIndex stores.
type Index struct {
	Image

	document document
	parts    []indexPart
}

// indexPart is a manifest of an index, in the repository that Combine has read it from.
type indexPart struct {
	repository string
	document   document
}

// Combine makes an index of all manifests of the sources, in their order. It reads the sources and writes nothing.
//
// An attestation goes with the image that it belongs to. A manifest that several sources have counts once. The index is
// one of OCI, or one of Docker if all manifests are Docker's and there are no annotations. If the only source is an
// index that stays as it is, its bytes and its digest stay too.
//
// Combine returns ErrMismatch if a platform is in no source, or if two sources have different images for one platform.
// It returns ErrUnsupported if a source or a manifest of its index is no image, and the errors of Inspect.
func (c *Client) Combine(ctx context.Context, r IndexRequest) (Index, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	read := make([]indexContent, len(r.Sources))
	group, bounded := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, source := range r.Sources {
		rescue.GoErrGroup(group, func() (err error) {
			if read[i], err = c.readSource(bounded, source); err != nil {
				return fmt.Errorf("reading %s: %w", source, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Index{}, err
	}
	return combine(read, r)
}

// indexContent is what one source gives to an index.
type indexContent struct {
	source  IndexSource
	root    document
	entries []indexEntry
}

// indexEntry is a manifest with the descriptor that refers to it.
type indexEntry struct {
	source     IndexSource
	descriptor ocispec.Descriptor
	platform   *ocispec.Platform // nil for what is no image, such as an attestation
	part       indexPart
}

// readSource reads a source with all manifests of its index.
func (c *Client) readSource(ctx context.Context, source IndexSource) (indexContent, error) {
	s, root, err := c.root(ctx, source.Repository, source.Digest)
	if err != nil {
		return indexContent{}, err
	}
	content := indexContent{source: source, root: root}
	if !root.isIndex() {
		only := ocispec.Descriptor{MediaType: root.mediaType, Digest: root.digest, Size: int64(len(root.raw))}
		entry, err := readEntry(ctx, s, source.Repository, root, only)
		entry.descriptor.Platform = entry.platform
		content.entries = []indexEntry{entry}
		return content, err
	}
	content.entries = make([]indexEntry, len(root.content.Manifests))
	err = eachOf(ctx, root.content.Manifests, func(ctx context.Context, i int, listed ocispec.Descriptor) error {
		d, err := s.fetchEntry(ctx, listed)
		if err == nil {
			content.entries[i], err = readEntry(ctx, s, source.Repository, d, listed)
		}
		return err
	})
	return content, err
}

// readEntry returns a manifest with its platform. It reads the image's configuration if the descriptor has none.
func readEntry(
	ctx context.Context, s *session, repository string, d document, listed ocispec.Descriptor,
) (indexEntry, error) {
	entry := indexEntry{descriptor: listed, part: indexPart{repository, d}}
	switch {
	case !d.isImage():
		return entry, newNotAnImage(d)
	case isUnknown(listed.Platform):
		return entry, nil
	case listed.Platform != nil:
		entry.platform = listed.Platform
		return entry, nil
	}
	config, err := s.fetchConfig(ctx, d)
	if err != nil {
		return entry, err
	}
	if config.OS == "" || config.Architecture == "" {
		return entry, newUnexpected("its configuration names no platform")
	}
	entry.platform = &config.Platform
	return entry, nil
}
