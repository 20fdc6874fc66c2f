package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
)

// checkArchive asks Amazon ECR whether an image that it does not serve is in its archive. absent is the error of the
// registry. checkArchive returns the digest and ErrArchived if the image is archived. It returns absent if the image is
// not listed, and ErrUndetermined if these credentials may not ask. After any other error it is not known either whether
// the image is gone.
func (c *Client) checkArchive(
	ctx context.Context, repository string, id types.ImageIdentifier, absent error,
) (digest.Digest, error) {
	if errors.Is(absent, ErrNoRepository) {
		return "", absent
	}
	api, err := c.ecrAPI(ctx, repository)
	if err != nil {
		return "", newUndetermined(repository, err)
	}
	if api == nil {
		return "", absent // there is no archive
	}
	held, status, err := api.describe(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return "", absent
	case errors.Is(err, ErrDenied), errors.Is(err, ErrUnauthorized):
		return "", newUndetermined(repository, err)
	case err != nil:
		return "", fmt.Errorf("%w; whether it is archived: %w", errUnserved, err)
	case status == types.ImageStatusActive: // it came back a moment ago
		return "", errUnserved
	}
	return held, api.newError(ImageArchived, id, ErrArchived.Error(), ErrArchived)
}

// errUnserved is a 404 of which it is not known whether it means that something is gone.
var errUnserved = newError(ImageUnserved, "404 of an image that may be there")

// newUndetermined returns the error that it is not known whether an image is archived. It is no ErrDenied or ErrUnauthorized: the
// registry's login may be good.
func newUndetermined(repository string, err error) error {
	e := newError(ImageMaybe, fmt.Sprintf("%v: %v", ErrUndetermined, err), ErrUndetermined)
	e.Repository, e.Reason = repository, err
	return e
}

// newError returns an error about an image.
func (a *ecrAPI) newError(fault Fault, id types.ImageIdentifier, text string, causes ...error) *Error {
	e := newError(fault, text, causes...)
	e.Host, e.Repository, e.Amazon = a.host, a.repository, true
	e.Label, e.Digest = aws.ToString(id.ImageTag), aws.ToString(id.ImageDigest)
	return e
}

// describe returns the digest and the status of an image, archived or not. It needs the right to ecr:DescribeImages. It
// returns ErrNotFound or ErrDenied, or another error when ECR cannot tell.
func (a *ecrAPI) describe(ctx context.Context, id types.ImageIdentifier) (digest.Digest, types.ImageStatus, error) {
	var answer *ecr.DescribeImagesOutput
	status := 0
	err := a.call(ctx, "DescribeImages", func(ctx context.Context) (err error) {
		answer, err = a.client.DescribeImages(ctx, &ecr.DescribeImagesInput{
			RegistryId: a.account, RepositoryName: &a.repository, ImageIds: []types.ImageIdentifier{id},
			// Without it those that are served.
			Filter: &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny},
		})
		status = statusOf(err)
		return err
	})
	if status >= http.StatusInternalServerError { // whatever it says: a service that is broken knows nothing
		return "", "", newUnreadable(status)
	}
	if err != nil {
		return "", "", err
	}
	if len(answer.ImageDetails) == 0 {
		return "", "", ErrNotFound
	}
	image := answer.ImageDetails[0]
	held, err := digest.Parse(aws.ToString(image.ImageDigest))
	if err != nil {
		return "", "", fmt.Errorf("AWS gave no digest: %w", err)
	}
	return held, image.ImageStatus, nil
}
