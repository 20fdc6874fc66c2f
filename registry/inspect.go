package registry

import (
	"context"
	"fmt"
	"regexp"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Image is what a registry holds under a digest: an index with several manifests, or one manifest alone.
type Image struct {
	// Digest is the one that was asked for.
	Digest string
	// MediaType is of the index, or of the only manifest.
	MediaType string
	// Manifests are the images for a platform, in the order of the index. Attestations are not among them.
	Manifests []Manifest
}

// Manifest is the image of one platform.
type Manifest struct {
	// Platform is normalized: linux/amd64, linux/arm64, linux/arm/v7. An image without one is "unknown".
	Platform string
	Digest   string
	// Size is of its config and layers as they are stored, compressed, in bytes: Amazon ECR's imageSizeInBytes.
	Size int64
}

// Inspect reads an image that anybody may have pushed, every manifest of an index side by side, and compares each byte
// with the digests. It does not read again what Find has just read, nor any layer: the registry checked the layers when
// it took the manifest.
//
// It returns ErrMismatch for other bytes, ErrNotFound if the registry does not serve the digest or a manifest of its
// index, and ErrUnsupported if one is no image. It also returns ErrNoRepository, ErrUnauthorized, ErrDenied,
// ErrRateLimited and ErrUnreachable.
func (c *Client) Inspect(ctx context.Context, repository, digest string) (Image, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	image, err := c.inspect(ctx, repository, digest)
	if err != nil {
		return Image{}, fmt.Errorf("reading %s@%s: %w", repository, digest, err)
	}
	return image, nil
}

func (c *Client) inspect(ctx context.Context, repository, digest string) (Image, error) {
	s, root, err := c.root(ctx, repository, digest)
	if err != nil {
		return Image{}, err
	}
	image := Image{Digest: digest, MediaType: root.mediaType}
	if !root.isIndex() {
		only, err := readManifest(ctx, s, root, nil)
		image.Manifests = []Manifest{only}
		return image, err
	}
	entries := root.content.Manifests
	found := make([]Manifest, len(entries))
	err = eachOf(ctx, entries, func(ctx context.Context, i int, entry ocispec.Descriptor) error {
		d, err := s.fetchEntry(ctx, entry)
		if err == nil {
			found[i], err = readManifest(ctx, s, d, entry.Platform)
		}
		return err
	})
	for i, entry := range entries {
		if !isUnknown(entry.Platform) {
			image.Manifests = append(image.Manifests, found[i])
		}
	}
	return image, err
}

// root opens the repository and fetches the document of the digest.
func (c *Client) root(ctx context.Context, repository, digest string) (*session, document, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return nil, document{}, err
	}
	s, err := c.session(ctx, repository, pull)
	if err != nil {
		return nil, document{}, err
	}
	d, err := s.seenOrFetch(ctx, want)
	return s, d, err
}

// eachOf runs do for the entries of an index, side by side. Its error names the entry.
func eachOf(
	ctx context.Context, entries []ocispec.Descriptor,
	do func(ctx context.Context, i int, entry ocispec.Descriptor) error,
) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, entry := range entries {
		rescue.GoErrGroup(group, func() error {
			if err := do(ctx, i, entry); err != nil {
				return fmt.Errorf("its manifest for %s, %s: %w", platformOf(entry.Platform), entry.Digest, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// readManifest returns an image with the platform that its index gives. Without one it reads the image's configuration.
func readManifest(ctx context.Context, s *session, d document, platform *ocispec.Platform) (Manifest, error) {
	if !d.isImage() {
		return Manifest{}, newNotAnImage(d)
	}
	if platform == nil {
		config, err := s.fetchConfig(ctx, d)
		if err != nil {
			return Manifest{}, err
		}
		platform = &config.Platform
	}
	return Manifest{Platform: platformOf(platform), Digest: d.digest.String(), Size: d.size()}, nil
}

// platformOf returns a platform as the state holds it. It returns "unknown" for a nil one, and for whatever else a
// registry writes there.
func platformOf(p *ocispec.Platform) string {
	if p == nil {
		return "unknown"
	}
	if name := platforms.Format(platforms.Normalize(*p)); platformName.MatchString(name) {
		return name
	}
	return "unknown"
}

// platformName matches what containerd's platforms parses.
var platformName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}(/[A-Za-z0-9_.-]{1,64}){1,2}$`)

// isUnknown reports whether a platform is the one of attestations, which no machine runs.
func isUnknown(p *ocispec.Platform) bool {
	return p != nil && p.OS == "unknown" && p.Architecture == "unknown"
}
