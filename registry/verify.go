package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
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

// Verify reads back an image by its digest, every manifest of an index side by side, and compares each byte with the digests. What Find has
// just read of it counts. Layers are not read: the registry checked them when it took the manifest. Errors: ErrMismatch; ErrNotFound if the digest or a manifest of its index
// is not served; ErrNoRepository, ErrUnauthorized, ErrDenied, ErrRateLimited, ErrUnreachable.
func (c *Client) Verify(ctx context.Context, repository, digest string) (Image, error) {
	ctx, stop := c.within(ctx)
	defer stop()
	image, err := c.verify(ctx, repository, digest)
	if err != nil {
		return Image{}, fmt.Errorf("verifying %s@%s: %w", repository, digest, err)
	}
	return image, nil
}

func (c *Client) verify(ctx context.Context, repository, digest string) (Image, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return Image{}, err
	}
	s, err := c.session(ctx, repository, pull)
	if err != nil {
		return Image{}, err
	}
	root, err := s.known(ctx, want)
	if err != nil {
		return Image{}, err
	}
	image := Image{Digest: digest, MediaType: root.mediaType}
	if root.isIndex() {
		image.Manifests, err = s.children(ctx, root)
		return image, err
	}
	only, err := s.described(ctx, root, nil)
	image.Manifests = []Manifest{only}
	return image, err
}

// children fetches all manifests of an index and lists those that are images for a platform.
func (s *session) children(ctx context.Context, index document) ([]Manifest, error) {
	descriptors := index.content.Manifests
	found := make([]Manifest, len(descriptors))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for i, descriptor := range descriptors {
		rescue.GoErrGroup(group, func() error {
			manifest, err := s.child(ctx, descriptor)
			found[i] = manifest
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var listed []Manifest
	for i, descriptor := range descriptors {
		if !isAttestation(descriptor) {
			listed = append(listed, found[i])
		}
	}
	return listed, nil
}

func (s *session) child(ctx context.Context, descriptor ocispec.Descriptor) (Manifest, error) {
	manifest, err := s.checkedChild(ctx, descriptor)
	if err != nil {
		return Manifest{}, fmt.Errorf("its manifest for %s, %s: %w", platformOf(descriptor.Platform), descriptor.Digest, err)
	}
	return manifest, nil
}

func (s *session) checkedChild(ctx context.Context, descriptor ocispec.Descriptor) (Manifest, error) {
	want, err := parseDigest(descriptor.Digest.String())
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	d, err := s.manifest(ctx, want)
	if err != nil {
		return Manifest{}, err
	}
	if int64(len(d.raw)) != descriptor.Size {
		return Manifest{}, fmt.Errorf("%w: it has %d bytes, its index says %d; build and push it again", ErrMismatch, len(d.raw), descriptor.Size)
	}
	return s.described(ctx, d, descriptor.Platform)
}

// described is an image with the platform that its index gives, or else its own configuration.
func (s *session) described(ctx context.Context, d document, platform *ocispec.Platform) (Manifest, error) {
	if !d.isImage() {
		return Manifest{}, fmt.Errorf("%w: %q is no image manifest; push images only", ErrUnsupported, d.mediaType)
	}
	if platform == nil {
		configured, err := s.configured(ctx, d.content.Config.Digest)
		if err != nil {
			return Manifest{}, err
		}
		platform = &configured
	}
	return Manifest{Platform: platformOf(platform), Digest: d.digest.String(), Size: d.size()}, nil
}

// configured is the platform in an image's configuration.
func (s *session) configured(ctx context.Context, config digest.Digest) (ocispec.Platform, error) {
	raw, err := s.blob(ctx, config)
	if err != nil {
		return ocispec.Platform{}, err
	}
	var platform ocispec.Platform
	if err := json.Unmarshal(raw, &platform); err != nil {
		return ocispec.Platform{}, fmt.Errorf("%w: the configuration %s is not JSON: %w", ErrMismatch, config, err)
	}
	return platform, nil
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

// isAttestation knows BuildKit's provenance and SBOM manifests.
func isAttestation(d ocispec.Descriptor) bool {
	return d.Annotations["vnd.docker.reference.type"] != "" ||
		d.Platform != nil && d.Platform.OS == "unknown" && d.Platform.Architecture == "unknown"
}
