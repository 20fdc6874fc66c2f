package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
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
// with the digests. What Find has just read of it counts. Layers are not read: the registry checked them when it took
// the manifest. Errors: ErrMismatch; ErrNotFound if the digest or a manifest of its index is not served; ErrUnsupported
// if one is no image; ErrNoRepository, ErrUnauthorized, ErrDenied, ErrRateLimited, ErrUnreachable.
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
		only, err := s.readManifest(ctx, root, nil)
		image.Manifests = []Manifest{only}
		return image, err
	}
	entries := root.content.Manifests
	found := make([]Manifest, len(entries))
	err = eachOf(ctx, entries, func(ctx context.Context, i int, entry ocispec.Descriptor) error {
		d, err := s.child(ctx, entry)
		if err == nil {
			found[i], err = s.readManifest(ctx, d, entry.Platform)
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

// root opens the repository and fetches what the digest stands for.
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

// child fetches the manifest of an entry, and compares it with what the entry says.
func (s *session) child(ctx context.Context, entry ocispec.Descriptor) (document, error) {
	want, err := parseDigest(entry.Digest.String())
	if err != nil {
		return document{}, fmt.Errorf("%w: %w", fault.ErrMismatch, err)
	}
	d, err := s.manifest(ctx, want)
	switch {
	case err != nil:
		return document{}, err
	case int64(len(d.raw)) != entry.Size:
		return document{}, newUnexpected("it has %d bytes, its index says %d", len(d.raw), entry.Size)
	case entry.MediaType != "" && entry.MediaType != d.mediaType:
		return document{}, newUnexpected("it is %q, its index says %q", fault.OneLine(d.mediaType), fault.OneLine(entry.MediaType))
	}
	return d, nil
}

// readManifest returns an image with the platform that its index gives, or else its own configuration.
func (s *session) readManifest(ctx context.Context, d document, platform *ocispec.Platform) (Manifest, error) {
	if !d.isImage() {
		text := fmt.Sprintf("%v: %q is no image manifest", fault.ErrUnsupported, fault.OneLine(d.mediaType))
		return Manifest{}, fault.New(fault.NotAnImage, text, fault.ErrUnsupported)
	}
	if platform == nil {
		config, err := s.config(ctx, d)
		if err != nil {
			return Manifest{}, err
		}
		platform = &config.Platform
	}
	return Manifest{Platform: platformOf(platform), Digest: d.digest.String(), Size: d.size()}, nil
}

// config fetches the configuration of an image. Errors: ErrMismatch if it is another one than the manifest says.
func (s *session) config(ctx context.Context, d document) (ocispec.Image, error) {
	of := d.content.Config
	raw, err := s.blob(ctx, of.Digest)
	if err != nil {
		return ocispec.Image{}, err
	}
	if int64(len(raw)) != of.Size {
		return ocispec.Image{}, fmt.Errorf("%w: the configuration %s has %d bytes, its manifest says %d",
			fault.ErrMismatch, of.Digest, len(raw), of.Size)
	}
	var config ocispec.Image
	if err := json.Unmarshal(raw, &config); err != nil {
		return ocispec.Image{}, fmt.Errorf("%w: the configuration %s is not an image's: %w",
			fault.ErrMismatch, of.Digest, err)
	}
	return config, nil
}

// platformOf returns a platform as the state holds it: what is no name of one, whatever a registry says, is unknown.
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

// isUnknown says whether a platform is the one of attestations: nobody runs them.
func isUnknown(p *ocispec.Platform) bool {
	return p != nil && p.OS == "unknown" && p.Architecture == "unknown"
}
