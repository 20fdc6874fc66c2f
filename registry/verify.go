package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Expected is what an image was asked to be.
type Expected struct {
	// Platforms are normalized, such as linux/arm/v7. Empty stands for one platform, whichever the builder has.
	Platforms []string
	// Attested: each image is to have its attestations, a provenance or an SBOM. Else there are none.
	Attested bool
	// Index: it is to be an index, whatever the number of platforms.
	Index bool
	// AnyForm: another tool made the image, so an image of one platform may be an index, and may have attestations.
	AnyForm bool
}

// isIndex says whether the image is to be an index.
func (e Expected) isIndex() bool { return e.Attested || e.Index || len(e.Platforms) > 1 }

// Verify reads an image back as Inspect does, and compares it with what the build asked for. It compares the platforms
// of the index with those in the configurations of its images. Besides the images it allows only attestations, if the
// build asked for them.
//
// It returns the errors of Inspect, but ErrMismatch instead of ErrUnsupported, since the build asked for an image.
func (c *Client) Verify(ctx context.Context, repository, digest string, want Expected) (Image, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	image, err := c.verify(ctx, repository, digest, want)
	if isRefusedOrGone(err) && c.dropPreparation(repository) {
		// Prepare logged in when there was no such repository yet, and a token may be good only for what is there.
		image, err = c.verify(ctx, repository, digest, want)
	}
	if err != nil {
		return Image{}, fmt.Errorf("verifying %s@%s: %w", repository, digest, err)
	}
	return image, nil
}

// isRefusedOrGone reports whether another login may change an error.
func isRefusedOrGone(err error) bool {
	return errors.Is(err, fault.ErrUnauthorized) || errors.Is(err, fault.ErrDenied) ||
		errors.Is(err, fault.ErrNotFound) || errors.Is(err, fault.ErrNoRepository)
}

func (c *Client) verify(ctx context.Context, repository, digest string, want Expected) (Image, error) {
	s, root, err := c.root(ctx, repository, digest)
	if err != nil {
		return Image{}, err
	}
	image := Image{Digest: digest, MediaType: root.mediaType}
	switch {
	case root.isIndex() != want.isIndex() && (!want.AnyForm || !root.isIndex()):
		got, want := kindName(root.isIndex()), kindName(want.isIndex())
		return Image{}, newUnexpected("it is %s, and %s was asked for", got, want)
	case !root.isIndex():
		only, err := verifyImage(ctx, s, root, want.onlyPlatform())
		image.Manifests = []Manifest{only}
		return image, err
	}
	entries := root.content.Manifests
	if err := want.check(entries); err != nil {
		return Image{}, err
	}
	found := make([]Manifest, len(entries))
	err = eachOf(ctx, entries, func(ctx context.Context, i int, entry ocispec.Descriptor) error {
		d, err := s.fetchEntry(ctx, entry)
		switch {
		case err != nil:
			return err
		case isUnknown(entry.Platform):
			return checkKind(d)
		}
		found[i], err = verifyImage(ctx, s, d, want.platformFor(entry))
		found[i].Platform = platformOf(entry.Platform)
		return err
	})
	for i, entry := range entries {
		if !isUnknown(entry.Platform) {
			image.Manifests = append(image.Manifests, found[i])
		}
	}
	return image, err
}

func kindName(index bool) string {
	if index {
		return "an index"
	}
	return "a single manifest"
}

// newUnexpected returns an ErrMismatch about an image that is not what was asked for.
func newUnexpected(format string, args ...any) error {
	text := fmt.Sprintf("%v: %s", fault.ErrMismatch, fmt.Sprintf(format, args...))
	return fault.New(fault.ImageOther, text, fault.ErrMismatch)
}

// onlyPlatform returns the platform of an image that is no index; nil is any.
func (e Expected) onlyPlatform() *ocispec.Platform {
	if len(e.Platforms) == 0 {
		return nil
	}
	p, err := platforms.Parse(e.Platforms[0])
	if err != nil {
		return nil
	}
	return &p
}

// platformFor returns the platform that the image of an entry is to have; nil is any. Without a request for platforms
// the image has that of its base image, whatever the entry says.
func (e Expected) platformFor(entry ocispec.Descriptor) *ocispec.Platform {
	if len(e.Platforms) == 0 {
		return nil
	}
	return entry.Platform
}

// check compares the entries of an index with what was asked for, before anything is fetched because of them.
func (e Expected) check(entries []ocispec.Descriptor) error {
	var got []string
	images, attested := map[digest.Digest]bool{}, map[digest.Digest]int{}
	for _, entry := range entries {
		switch {
		case entry.Platform == nil:
			return newUnexpected("its index has an entry without a platform, %s", fault.OneLine(entry.Digest.String()))
		case isUnknown(entry.Platform):
			attested[attestedImage(entry)]++
		case images[entry.Digest]:
			return newUnexpected("its index has %s twice", fault.OneLine(entry.Digest.String()))
		default:
			images[entry.Digest] = true
			got = append(got, platformOf(entry.Platform))
		}
	}
	if err := e.checkPlatforms(got); err != nil {
		return err
	}
	if e.AnyForm {
		return nil
	}
	return e.checkAttestations(images, attested)
}

func (e Expected) checkPlatforms(got []string) error {
	if len(e.Platforms) == 0 && len(got) != 1 {
		return newUnexpected("it holds %s and not one platform", fault.OneLine(strings.Join(got, ", ")))
	}
	held, want := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(e.Platforms))
	if len(want) > 0 && !slices.Equal(held, want) {
		return newUnexpected("it holds %s and not %s as asked for",
			fault.OneLine(strings.Join(got, ", ")), strings.Join(e.Platforms, ", "))
	}
	return nil
}

// checkAttestations returns an error unless each image has one manifest with all its attestations, if the build asked
// for any. It allows no other attestations.
func (e Expected) checkAttestations(images map[digest.Digest]bool, attested map[digest.Digest]int) error {
	for image, count := range attested {
		switch {
		case !e.Attested:
			return newUnexpected("it holds attestations, which were not asked for")
		case !images[image]:
			return newUnexpected("it holds something that is neither an image nor the attestation of one in it")
		case count > 1:
			return newUnexpected("it attests %s more than once", fault.OneLine(image.String()))
		}
	}
	if e.Attested && len(attested) != len(images) {
		return newUnexpected("it has no attestations for %d of its images", len(images)-len(attested))
	}
	return nil
}

// attestedImage returns the digest of the image that an entry attests; "" if it attests none. The annotations are
// BuildKit's: https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
func attestedImage(entry ocispec.Descriptor) digest.Digest {
	if entry.Annotations["vnd.docker.reference.type"] != "attestation-manifest" {
		return ""
	}
	return digest.Digest(entry.Annotations["vnd.docker.reference.digest"])
}

func checkKind(d document) error {
	if !d.isImage() {
		return newUnexpected("%q is no image manifest", fault.OneLine(d.mediaType))
	}
	return nil
}

// verifyImage compares an image's configuration with its manifest and with a platform; nil is any.
func verifyImage(ctx context.Context, s *session, d document, want *ocispec.Platform) (Manifest, error) {
	if err := checkKind(d); err != nil {
		return Manifest{}, err
	}
	if !slices.Contains(configTypes, d.content.Config.MediaType) {
		mediaType := fault.OneLine(d.content.Config.MediaType)
		return Manifest{}, newUnexpected("its configuration is %q and no image's", mediaType)
	}
	config, err := s.fetchConfig(ctx, d)
	switch {
	case err != nil:
		return Manifest{}, err
	case config.OS == "" || config.Architecture == "":
		return Manifest{}, newUnexpected("its configuration names no platform")
	case want != nil && !samePlatform(*want, config.Platform):
		got := fault.OneLine(platformOf(&config.Platform))
		return Manifest{}, newUnexpected("its configuration says %s and not %s", got, platformOf(want))
	case len(config.RootFS.DiffIDs) != len(d.content.Layers):
		return Manifest{}, newUnexpected("it has %d layers, its configuration says %d",
			len(d.content.Layers), len(config.RootFS.DiffIDs))
	}
	return Manifest{Platform: platformOf(&config.Platform), Digest: d.digest.String(), Size: d.size()}, nil
}

// samePlatform compares platforms in their normalized form. It lets any variant pass where the configuration has none,
// as in older images. An image may need more than the least variant of its architecture, because its base image does.
func samePlatform(want, got ocispec.Platform) bool {
	anyVariant := got.Variant == ""
	want, got = platforms.Normalize(want), platforms.Normalize(got)
	return want.OS == got.OS && want.Architecture == got.Architecture &&
		(anyVariant || want.Variant == "" || want.Variant == got.Variant)
}
