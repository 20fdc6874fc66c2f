package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// checkArchive asks Amazon ECR whether an image that it does not serve is in its archive. absent is the error of the
// registry. checkArchive returns the digest and ErrArchived if the image is archived. It returns absent if the image is
// not listed, and ErrUndetermined if these credentials may not ask. After any other error nobody knows either whether
// the image is gone.
func (c *Client) checkArchive(
	ctx context.Context, repository string, id ecr.ImageID, absent error,
) (digest.Digest, error) {
	if errors.Is(absent, fault.ErrNoRepository) {
		return "", absent
	}
	api, err := c.ecrRepository(ctx, repository)
	if err != nil {
		return "", newUndetermined(repository, err)
	}
	if api == nil {
		return "", absent // there is no archive
	}
	image, err := api.Describe(ctx, id)
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return "", absent
	case errors.Is(err, fault.ErrDenied), errors.Is(err, fault.ErrUnauthorized):
		return "", newUndetermined(repository, err)
	case err != nil:
		return "", fmt.Errorf("%w; whether it is archived: %w", errMaybeServed, err)
	case image.Active: // it came back a moment ago
		return "", errMaybeServed
	}
	return image.Digest, newArchived(repository, id)
}

// errMaybeServed is a 404 that leaves open whether something is gone.
var errMaybeServed = fault.New(fault.ImageUnserved, "404 of an image that may be there")

// newUndetermined returns the error that nobody knows whether an image is archived. errors.Is finds neither ErrDenied
// nor ErrUnauthorized in it: the registry's login may be good.
func newUndetermined(repository string, err error) error {
	text := fmt.Sprintf("%v: %v", fault.ErrUndetermined, err)
	e := fault.New(fault.ImageMaybe, text, fault.ErrUndetermined)
	e.Repository, e.Reason = repository, err
	return e
}

// newArchived returns the error of an image in the archive.
func newArchived(repository string, id ecr.ImageID) error {
	e := fault.New(fault.ImageArchived, fault.ErrArchived.Error(), fault.ErrArchived)
	e.Host, e.Repository, _ = strings.Cut(repository, "/")
	e.Label, e.Digest, e.Amazon = id.Tag, id.Digest, true
	return e
}
