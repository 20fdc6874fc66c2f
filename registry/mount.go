package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// ErrNotMounted says that a registry does not mount the layers of a repository.
var ErrNotMounted = errors.New("the registry does not mount layers of this repository")

// MountRequest asks for the layers of an image, in another repository of the same registry.
type MountRequest struct {
	// Repository, host/path, is to have the layers.
	Repository string
	// From is the repository of the same registry that has the image.
	From string
	// Digest is that of the image, or of an index that has it.
	Digest string
	// Platform chooses the image of an index, such as linux/arm/v7.
	Platform string
}

// MountLayers gives a repository the layers of an image, without their bytes: the registry mounts them from the other
// repository. It leaves out those that the repository has. It returns the digests of all layers of the image.
//
// It returns ErrNotMounted if the registry wants the bytes. known remembers that, and later calls ask for nothing of
// the same repository.
func (c *Client) MountLayers(ctx context.Context, known *Mounts, r MountRequest) (digests []string, err error) {
	if known.isRefused(r.From) {
		return nil, ErrNotMounted
	}
	ctx, stop := c.withBudget(ctx)
	defer stop()
	layers, err := c.mountLayers(ctx, known, r)
	if err != nil {
		return nil, fmt.Errorf("mounting the layers of %s@%s into %s: %w", r.From, r.Digest, r.Repository, err)
	}
	for _, layer := range layers {
		digests = append(digests, layer.Digest.String())
	}
	return digests, nil
}

func (c *Client) mountLayers(ctx context.Context, known *Mounts, r MountRequest) ([]ocispec.Descriptor, error) {
	from, err := parseRepository(r.From, c.keychain.isInsecure)
	if err != nil {
		return nil, err
	}
	target, err := c.targetSession(ctx, from, r.Repository)
	if err != nil {
		return nil, err
	}
	if target.repository.Registry != from.Registry {
		return nil, ErrNotMounted
	}
	source := *target // the token opens both
	source.repository = from
	layers, err := known.layersOf(r.From+"@"+r.Digest+" "+r.Platform, func() ([]ocispec.Descriptor, error) {
		return source.layers(ctx, r.Digest, r.Platform)
	})
	if err != nil {
		return nil, err
	}
	return layers, c.mountMissing(ctx, known, r.From, &mount{target: target, from: from.RepositoryStr()}, layers)
}

// mountMissing mounts the layers that the target does not have. The first one alone shows whether the registry mounts.
func (c *Client) mountMissing(
	ctx context.Context, known *Mounts, from string, m *mount, layers []ocispec.Descriptor,
) error {
	missing := c.missingBlobs(ctx, m.target, layers)
	if len(missing) == 0 {
		return nil
	}
	if known.isRefused(from) { // another image was told so meanwhile
		return ErrNotMounted
	}
	err := m.layer(ctx, missing[0])
	known.note(from, err)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrency)
	for _, layer := range missing[1:] {
		rescue.GoErrGroup(group, func() error { return m.layer(ctx, layer) })
	}
	return group.Wait()
}

// missingBlobs returns those of the blobs that a repository does not have, in their order.
func (c *Client) missingBlobs(ctx context.Context, s *session, blobs []ocispec.Descriptor) []ocispec.Descriptor {
	has := make([]bool, len(blobs))
	var group errgroup.Group
	group.SetLimit(concurrency)
	for i, blob := range blobs {
		rescue.GoErrGroup(&group, func() error {
			has[i] = c.hasBlob(ctx, s, blob)
			return nil
		})
	}
	_ = group.Wait()
	var missing []ocispec.Descriptor
	for i, blob := range blobs {
		if !has[i] {
			missing = append(missing, blob)
		}
	}
	return missing
}

// layers returns the layers of an image that a registry stores, each once. It leaves out those that other servers have.
func (s *session) layers(ctx context.Context, root, platform string) ([]ocispec.Descriptor, error) {
	want, err := parseDigest(root)
	if err != nil {
		return nil, err
	}
	d, err := s.seenOrFetch(ctx, want)
	if err == nil && d.isIndex() {
		var entry ocispec.Descriptor
		if entry, err = entryFor(d, platform); err == nil {
			d, err = s.fetchEntry(ctx, entry)
		}
	}
	if err != nil {
		return nil, err
	}
	if !d.isImage() {
		return nil, newNotAnImage(d)
	}
	var layers []ocispec.Descriptor
	seen := map[digest.Digest]bool{}
	for _, layer := range d.content.Layers {
		kind := layer.MediaType
		isForeign := strings.Contains(kind, "foreign") || strings.Contains(kind, "nondistributable")
		if _, err := parseDigest(layer.Digest.String()); err != nil || isForeign || seen[layer.Digest] {
			continue
		}
		seen[layer.Digest] = true
		layers = append(layers, layer)
	}
	return layers, nil
}

// entryFor returns the entry of an index that an engine takes for a platform. It returns ErrNotFound if there is none.
func entryFor(d document, platform string) (ocispec.Descriptor, error) {
	wanted, err := platforms.Parse(platform)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	matcher, best := platforms.Only(wanted), -1
	for i, entry := range d.content.Manifests {
		if entry.Platform == nil || !matcher.Match(*entry.Platform) {
			continue
		}
		if best < 0 || matcher.Less(*entry.Platform, *d.content.Manifests[best].Platform) {
			best = i
		}
	}
	if best < 0 {
		return ocispec.Descriptor{}, fmt.Errorf("%w: it has no image for %s", fault.ErrNotFound, platform)
	}
	return d.content.Manifests[best], nil
}

// mount gives a repository blobs of another one of the registry.
type mount struct {
	target *session
	from   string // the path of the other repository
}

// layer mounts a blob. It returns ErrNotMounted if the registry wants the bytes.
func (m *mount) layer(ctx context.Context, blob ocispec.Descriptor) error {
	const path = "blobs/uploads/"
	query := url.Values{"mount": {blob.Digest.String()}, "from": {m.from}}
	resp, err := m.target.do(ctx, request{method: http.MethodPost, path: path + "?" + query.Encode()})
	switch {
	case err == nil && resp.status == http.StatusCreated:
		return nil
	case err == nil:
		m.target.endUpload(ctx, resp, path)
		return ErrNotMounted
	}
	return err
}

// endUpload ends the upload that a registry began in place of a mount. A registry that cannot, such as Amazon ECR, ends
// it after a while.
func (s *session) endUpload(ctx context.Context, begun response, path string) {
	location, err := s.uploadURL(begun, path)
	if err != nil || location.Host != s.repository.RegistryStr() {
		return
	}
	ctx, stop := s.withTimeout(ctx)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, location.String(), nil)
	if err == nil {
		_, err = s.exchange(req)
	}
	if err != nil {
		s.logger.DebugContext(ctx, "upload not ended", "host", s.login.host, "reason", firstLine(err))
	}
}

// HasBlob reports whether a repository has a layer or a configuration. It returns an error if nobody knows.
func (c *Client) HasBlob(ctx context.Context, repository, digest string) (bool, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return false, err
	}
	ctx, stop := c.withBudget(ctx)
	defer stop()
	s, err := c.session(ctx, repository, pushPull)
	if err != nil {
		return false, err
	}
	return c.hasBlob(ctx, s, ocispec.Descriptor{Digest: want}), nil
}
