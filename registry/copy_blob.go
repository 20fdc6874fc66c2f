package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// hasBlobTimeout bounds a question of HasBlob.
const hasBlobTimeout = 5 * time.Second

// copyBlob gives a repository a layer or a configuration of another one, unless it has it. It mounts the blob if one
// registry has both repositories and lets us, and otherwise transfers it.
func (c *Client) copyBlob(ctx context.Context, from, to string, blob ocispec.Descriptor) error {
	if _, err := parseDigest(blob.Digest.String()); err != nil {
		return fmt.Errorf("%w: %w", fault.ErrMismatch, err)
	}
	source, err := c.session(ctx, from, pull)
	if err != nil {
		return err
	}
	target, err := c.targetSession(ctx, source.repository, to)
	if err != nil {
		return err
	}
	if c.hasBlob(ctx, target, blob) {
		return nil
	}
	t := &blobTransfer{client: c, source: source, target: target, blob: blob}
	if source.repository.Registry == target.repository.Registry {
		t.mountFrom = source.repository.RepositoryStr()
	}
	return t.run(ctx)
}

// targetSession returns a session for a repository that blobs are copied to. Its token also opens the source, if one
// registry has both: a mount needs both rights.
func (c *Client) targetSession(ctx context.Context, source name.Repository, repository string) (*session, error) {
	target, err := parseRepository(repository, c.keychain.isInsecure)
	if err != nil {
		return nil, err
	}
	ctx, stop := c.withBudget(ctx)
	defer stop()
	if source.Registry != target.Registry {
		return c.session(ctx, repository, pushPull)
	}
	return c.sessionFor(ctx, sessionKey{repository: repository, actions: pushPull, mountFrom: source.RepositoryStr()})
}

// hasBlob reports whether a repository has a blob. It returns false if nobody knows: the transfer will tell.
func (c *Client) hasBlob(ctx context.Context, s *session, blob ocispec.Descriptor) bool {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	_, err := s.do(ctx, request{method: http.MethodHead, path: "blobs/" + blob.Digest.String()})
	return err == nil
}

// HasBlob reports whether a repository has a layer or a configuration. It returns false if the registry does not say so
// within a few seconds, and an error if the client cannot ask.
func (c *Client) HasBlob(ctx context.Context, repository, digest string) (bool, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return false, err
	}
	ctx, stop := context.WithTimeoutCause(ctx, hasBlobTimeout, errors.New("no answer within "+hasBlobTimeout.String()))
	defer stop()
	s, err := c.session(ctx, repository, pushPull)
	if err != nil {
		return false, err
	}
	return c.hasBlob(ctx, s, ocispec.Descriptor{Digest: want}), nil
}

// SendBlob gives a repository a layer, unless it has it, and asks for no mount. read begins to read the layer, once for
// each try.
func (c *Client) SendBlob(
	ctx context.Context, repository string, blob ocispec.Descriptor, read func(context.Context) (io.ReadCloser, error),
) error {
	if _, err := parseDigest(blob.Digest.String()); err != nil {
		return err
	}
	target, err := c.session(ctx, repository, pushPull)
	if err != nil || c.hasBlob(ctx, target, blob) {
		return err
	}
	return (&blobTransfer{client: c, source: target, target: target, blob: blob, read: read}).run(ctx)
}

// startUpload returns where to upload a blob. It returns nil if the registry has mounted the blob from another
// repository, mountFrom; "" asks for no mount.
func (s *session) startUpload(ctx context.Context, blob ocispec.Descriptor, mountFrom string) (*url.URL, error) {
	path := "blobs/uploads/"
	if mountFrom != "" {
		query := url.Values{"mount": {blob.Digest.String()}, "from": {mountFrom}}
		resp, err := s.do(ctx, request{method: http.MethodPost, path: path + "?" + query.Encode()})
		switch {
		case err == nil && resp.status == http.StatusCreated:
			return nil, nil
		case err == nil:
			return s.uploadURL(resp, path)
		case !isRefusal(resp.status):
			return nil, err
		} // who may not mount may upload nevertheless
	}
	resp, err := s.do(ctx, request{method: http.MethodPost, path: path})
	if err != nil {
		return nil, err
	}
	return s.uploadURL(resp, path)
}

// uploadURL returns the location that a registry gave for an upload.
func (s *session) uploadURL(resp response, path string) (*url.URL, error) {
	location := resp.header.Get("Location")
	if location == "" {
		return nil, s.peer().newErrorOf(fault.NotARegistry, errors.New("it names no location for an upload"))
	}
	base := &url.URL{
		Scheme: s.repository.Scheme(), Host: s.repository.RegistryStr(),
		Path: "/v2/" + s.repository.RepositoryStr() + "/" + path,
	}
	at, err := base.Parse(location)
	if err != nil {
		return nil, s.peer().newErrorOf(fault.NotARegistry, errors.New("it names no URL as the location of an upload"))
	}
	return at, nil
}
