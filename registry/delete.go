package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// DeleteTag removes a tag if it still points to digest, and says whether it did. It leaves a tag alone, without an
// error, that is gone or holds something else by now. The same goes for a tag that the registry does not serve, where
// we may not ask whether it is archived. It never deletes by digest: other tags may hold it.
//
// It deletes from Amazon ECR through the API, with the right to ecr:BatchDeleteImage. Amazon ECR deletes an image with
// its last tag. The images of an index stay, without tags.
//
// UNFORTUNATELY there is a moment between looking and deleting in which somebody may move the tag; it is deleted then.
//
// DeleteTag returns ErrInUse if it is the last tag of an image in an index, and ErrUnsupported if the registry does not
// delete tags. After ErrUnauthorized, ErrDenied, ErrRateLimited, ErrUnreachable and others nothing is known about the
// tag.
func (c *Client) DeleteTag(ctx context.Context, tag Tag, digest string) (deleted bool, err error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	s, err := c.session(ctx, tag.Repository(), deletion)
	if err != nil {
		return false, fmt.Errorf("deleting %s: %w", tag, err)
	}
	deleted, err = c.deleteTag(ctx, s, tag, digest)
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("deleting %s: %w", tag, err)
	}
	return deleted, nil
}

func (c *Client) deleteTag(ctx context.Context, s *session, tag Tag, want string) (bool, error) {
	held, err := s.resolve(ctx, tag.label, digest.Canonical)
	if errors.Is(err, fault.ErrNotFound) {
		held, err = c.checkArchive(ctx, tag.Repository(), ecr.ImageID{Tag: tag.label}, err)
	}
	switch {
	case errors.Is(err, fault.ErrArchived): // it can be deleted all the same
		err = nil
	case errors.Is(err, fault.ErrUndetermined): // it may hold an image that is not ours
		return false, nil
	}
	if err != nil || held.String() != want {
		return false, err
	}
	api, err := c.ecrRepository(ctx, tag.Repository())
	if err != nil {
		return false, err
	}
	if api != nil {
		return api.DeleteTag(ctx, tag.label)
	}
	return sendDelete(ctx, s, tag)
}

// sendDelete asks a registry other than Amazon ECR to delete a tag.
func sendDelete(ctx context.Context, s *session, tag Tag) (bool, error) {
	_, err := s.do(ctx, request{method: http.MethodDelete, path: "manifests/" + tag.label})
	if refused, ok := errors.AsType[*fault.Error](err); ok && refused.Kind == fault.RequestNotOffered {
		refused.Kind = fault.TagsNotDeleted
	}
	return err == nil, err
}
