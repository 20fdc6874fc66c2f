package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Description is what a registry tells of an image that anybody may have built.
type Description struct {
	// Digest and MediaType are of the index, or of the only manifest.
	Digest, MediaType string
	Annotations       map[string]string
	// Platforms are the images, in the order of the index. Attestations are not among them.
	Platforms []PlatformImage
	Referrers []Referrer
	// ReferrersErr is why the registry refuses to list the referrers; nil if it lists them.
	ReferrersErr error
}

// PlatformImage is the image of one platform with its configuration.
type PlatformImage struct {
	Manifest
	Config ocispec.ImageConfig
}

// Referrer is an artifact that refers to an image, such as a signature.
type Referrer struct {
	ArtifactType, MediaType, Digest string
	Size                            int64
	Annotations                     map[string]string
}

// Describe reads an image, the configuration of each platform, and what refers to the image. It reads no layer, and
// compares each byte that it reads with the digests.
//
// It returns the errors of Resolve and of Inspect. A registry that refuses to list the referrers is no error; see
// Description.ReferrersErr.
func (c *Client) Describe(ctx context.Context, ref Reference) (Description, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	description, err := c.describe(ctx, ref)
	if err != nil {
		return Description{}, fmt.Errorf("reading %s: %w", ref, err)
	}
	return description, nil
}

func (c *Client) describe(ctx context.Context, ref Reference) (Description, error) {
	s, err := c.session(ctx, ref.Repository(), pull)
	if err != nil {
		return Description{}, err
	}
	root, err := s.fetchReference(ctx, ref)
	if err != nil {
		return Description{}, err
	}
	description := Description{
		Digest: root.digest.String(), MediaType: root.mediaType, Annotations: root.content.Annotations,
	}
	if description.Platforms, err = describePlatforms(ctx, s, root); err != nil {
		return Description{}, err
	}
	description.Referrers, err = s.referrers(ctx, root.digest)
	if err != nil {
		err = fmt.Errorf("what refers to it: %w", err)
	}
	if errors.Is(err, fault.ErrDenied) || errors.Is(err, fault.ErrUnauthorized) {
		description.ReferrersErr, err = err, nil
	}
	return description, err
}

// fetchReference returns the document of a reference.
func (s *session) fetchReference(ctx context.Context, ref Reference) (document, error) {
	if ref.Digest == "" {
		return s.fetch(ctx, ref.Tag.label, digest.Canonical)
	}
	want, err := parseDigest(ref.Digest)
	if err != nil {
		return document{}, err
	}
	return s.fetchDigest(ctx, want)
}

// describePlatforms reads the images of a document, side by side.
func describePlatforms(ctx context.Context, s *session, root document) ([]PlatformImage, error) {
	if !root.isIndex() {
		only, err := describePlatform(ctx, s, root, nil)
		return []PlatformImage{only}, err
	}
	entries := root.content.Manifests
	found := make([]PlatformImage, len(entries))
	err := eachOf(ctx, entries, func(ctx context.Context, i int, entry ocispec.Descriptor) error {
		if isUnknown(entry.Platform) {
			return nil
		}
		d, err := s.fetchEntry(ctx, entry)
		if err == nil {
			found[i], err = describePlatform(ctx, s, d, entry.Platform)
		}
		return err
	})
	var images []PlatformImage
	for i, entry := range entries {
		if !isUnknown(entry.Platform) {
			images = append(images, found[i])
		}
	}
	return images, err
}

// describePlatform reads the configuration of an image. Its platform is that of the index, if there is one.
func describePlatform(
	ctx context.Context, s *session, d document, platform *ocispec.Platform,
) (PlatformImage, error) {
	if !d.isImage() {
		return PlatformImage{}, newNotAnImage(d)
	}
	config, err := s.fetchConfig(ctx, d)
	if err != nil {
		return PlatformImage{}, err
	}
	if platform == nil {
		platform = &config.Platform
	}
	manifest := Manifest{Platform: platformOf(platform), Digest: d.digest.String(), Size: d.size()}
	return PlatformImage{Manifest: manifest, Config: config.Config}, nil
}
