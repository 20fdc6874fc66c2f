package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// Resolve returns the digest that a tag holds now.
//
// It returns ErrNotFound if the registry says that there is no such tag; no other error means that it is gone. It
// returns ErrArchived, with the digest, if the tag is there and its image cannot be had. It returns ErrUndetermined if
// the registry does not serve the tag, and we may not ask whether it is there. After ErrUnauthorized, ErrDenied,
// ErrRateLimited, ErrUnreachable and others nothing is known about the tag.
func (c *Client) Resolve(ctx context.Context, tag Tag) (string, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	s, err := c.session(ctx, tag.Repository(), pull)
	if err != nil {
		return "", fmt.Errorf("resolving %s: %w", tag, err)
	}
	held, err := s.resolve(ctx, tag.label, digest.Canonical)
	if errors.Is(err, fault.ErrNotFound) {
		held, err = c.checkArchive(ctx, tag.Repository(), ecr.ImageID{Tag: tag.label}, err)
	}
	if err != nil {
		return held.String(), fmt.Errorf("resolving %s: %w", tag, err)
	}
	return held.String(), nil
}

// Find resolves a tag by the very bytes that it stands for. Verify and SetTags then do not ask for them again.
func (c *Client) Find(ctx context.Context, tag Tag) (string, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	s, err := c.session(ctx, tag.Repository(), pull)
	if err != nil {
		return "", fmt.Errorf("resolving %s: %w", tag, err)
	}
	d, err := s.fetch(ctx, tag.label, digest.Canonical)
	if err != nil {
		return "", fmt.Errorf("resolving %s: %w", tag, err)
	}
	s.remember(d)
	return d.digest.String(), nil
}

// Exists says whether the registry serves a digest. It does not look at what belongs to the digest, as Verify does.
//
// It returns the errors of Resolve, but false for ErrNotFound. It returns ErrArchived if the registry has the digest
// all the same, ErrUndetermined if it may have it, and ErrMismatch if the registry answers with another digest.
func (c *Client) Exists(ctx context.Context, repository, digest string) (bool, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	exists, err := c.exists(ctx, repository, digest)
	if err != nil {
		return false, fmt.Errorf("looking for %s@%s: %w", repository, digest, err)
	}
	return exists, nil
}

func (c *Client) exists(ctx context.Context, repository, digest string) (bool, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return false, err
	}
	s, err := c.session(ctx, repository, pull)
	if err != nil {
		return false, err
	}
	held, err := s.resolve(ctx, digest, want.Algorithm())
	if errors.Is(err, fault.ErrNotFound) {
		_, err = c.checkArchive(ctx, repository, ecr.ImageID{Digest: digest}, err)
	}
	switch {
	case errors.Is(err, fault.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case held != want:
		return false, newMismatch(want, held)
	}
	return true, nil
}
