package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// mountTimeout bounds how long the registry may take to mount one layer. The bytes may be sent instead.
const mountTimeout = 10 * time.Second

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
// repository. It leaves out those that the repository has. It returns the digests of the layers of the image that the
// repository has then, and the first error. A layer that fails does not stop the others.
//
// The error is ErrNotMounted if the registry wants the bytes. known remembers that, and each other failure of the first
// mount. Later calls ask for nothing of the same repositories.
func (c *Client) MountLayers(ctx context.Context, known *Mounts, r MountRequest) (digests []string, err error) {
	if known.IsRefused(r.From, r.Repository) {
		return nil, ErrNotMounted
	}
	ctx, stop := c.withBudget(ctx)
	defer stop()
	layers, err := c.mountLayers(ctx, known, r)
	for _, layer := range layers {
		digests = append(digests, layer.Digest.String())
	}
	if err != nil {
		return digests, fmt.Errorf("mounting the layers of %s@%s into %s: %w", r.From, r.Digest, r.Repository, err)
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
	layers, err := known.layersOf(ctx, r.From+"@"+r.Digest+" "+r.Platform, func() ([]ocispec.Descriptor, error) {
		return source.layers(ctx, r.Digest, r.Platform)
	})
	if err != nil {
		return nil, err
	}
	m := &mount{target: target, from: from.RepositoryStr()}
	failed, err := c.mountMissing(ctx, known, r, m, layers)
	isFailed := func(layer ocispec.Descriptor) bool {
		return slices.ContainsFunc(failed, func(f ocispec.Descriptor) bool { return f.Digest == layer.Digest })
	}
	return slices.DeleteFunc(slices.Clone(layers), isFailed), err
}

// mountMissing mounts the layers that the target does not have. The first one alone shows whether the registry mounts.
// It returns those that were not mounted, and the first error.
func (c *Client) mountMissing(
	ctx context.Context, known *Mounts, r MountRequest, m *mount, layers []ocispec.Descriptor,
) (failed []ocispec.Descriptor, err error) {
	missing := c.missingBlobs(ctx, m.target, layers)
	if len(missing) == 0 {
		return nil, nil
	}
	err = known.try(ctx, r.From, r.Repository, func() error { return m.layer(ctx, missing[0]) })
	if err != nil {
		return missing, err
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(concurrency)
	for _, layer := range missing[1:] {
		rescue.GoErrGroup(&group, func() error {
			err := m.layer(ctx, layer)
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, layer)
			}
			return err
		})
	}
	err = group.Wait()
	return failed, err
}

// MountLayer gives a repository a layer of another one, from, of the same registry. It returns ErrNotMounted as
// MountLayers does.
func (c *Client) MountLayer(ctx context.Context, known *Mounts, repository, from, digest string) error {
	want, err := parseDigest(digest)
	if err != nil {
		return err
	}
	if known.IsRefused(from, repository) {
		return ErrNotMounted
	}
	ctx, stop := c.withBudget(ctx)
	defer stop()
	source, err := parseRepository(from, c.keychain.isInsecure)
	if err != nil {
		return err
	}
	target, err := c.targetSession(ctx, source, repository)
	if err != nil {
		return err
	}
	if target.repository.Registry != source.Registry {
		return ErrNotMounted
	}
	m := &mount{target: target, from: source.RepositoryStr()}
	return known.try(ctx, from, repository, func() error { return m.layer(ctx, ocispec.Descriptor{Digest: want}) })
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

// mount gives a repository blobs of another one of the registry.
type mount struct {
	target *session
	from   string // the path of the other repository
}

// layer mounts a blob with one try. It returns ErrNotMounted if the registry wants the bytes, or refuses.
func (m *mount) layer(ctx context.Context, blob ocispec.Descriptor) error {
	const path = "blobs/uploads/"
	ctx, stop := context.WithTimeoutCause(ctx, mountTimeout, fmt.Errorf("no mount within %s", mountTimeout))
	defer stop()
	target := *m.target
	target.waits = fault.Backoff{}
	query := url.Values{"mount": {blob.Digest.String()}, "from": {m.from}}
	resp, err := target.do(ctx, request{method: http.MethodPost, path: path + "?" + query.Encode()})
	switch {
	case err == nil && resp.status == http.StatusCreated:
		return nil
	case err == nil:
		target.endUpload(ctx, resp, path)
		return ErrNotMounted
	case isRefusal(resp.status): // who may not mount may upload nevertheless
		return fmt.Errorf("%w: %w", ErrNotMounted, err)
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
