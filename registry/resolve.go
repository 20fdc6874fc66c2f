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

// Resolve says which digest a tag holds now. Errors: ErrNotFound if the registry says that there is no such tag, the only "gone";
// ErrArchived, with the digest, if the tag is there and its image cannot be had; ErrUndetermined if it is not served, and we may not ask
// whether it is there; ErrUnauthorized, ErrDenied, ErrRateLimited, ErrUnreachable and others, after which nothing is known about the tag.
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

// Find is Resolve by the very bytes that the tag stands for, which Verify and SetTags then do not ask for again.
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
	s.seen.Store(s.name(d.digest), d)
	return d.digest.String(), nil
}

// Exists says whether the registry serves a digest; whether it serves all that belongs to it, Verify says. Errors as Resolve, but for
// ErrNotFound, which is false; ErrArchived if the registry has the digest all the same; ErrUndetermined if it may;
// ErrMismatch if the registry answers with another digest.
func (c *Client) Exists(ctx context.Context, repository, digest string) (bool, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	found, err := c.exists(ctx, repository, digest)
	if err != nil {
		return false, fmt.Errorf("looking for %s@%s: %w", repository, digest, err)
	}
	return found, nil
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

// resolve asks by HEAD, which costs no body and at Docker Hub no rate, and by GET where HEAD is refused, gives no digest or says no: only a
// GET says why.
func (s *session) resolve(ctx context.Context, reference string, algorithm digest.Algorithm) (digest.Digest, error) {
	held, resp, err := s.head(ctx, reference)
	if held != "" || err != nil && !isRefusal(resp.status) {
		return held, err
	}
	d, err := s.fetch(ctx, reference, algorithm)
	return d.digest, err
}

// head is the digest in the header, or nothing where there is none to believe.
func (s *session) head(ctx context.Context, reference string) (digest.Digest, response, error) {
	resp, err := s.do(ctx, request{method: http.MethodHead, path: "manifests/" + reference, accept: accepted})
	if err != nil {
		return "", resp, err
	}
	held, err := digest.Parse(resp.header.Get("Docker-Content-Digest"))
	if err != nil {
		return "", resp, nil
	}
	return held, resp, nil
}

// isRefusal: 429 is no matter of the method.
func isRefusal(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusTooManyRequests
}
