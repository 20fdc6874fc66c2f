package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/ecr"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// checkTimeout bounds a check that a build waits for.
const checkTimeout = 15 * time.Second

// CheckTags asks before a build whether tags, all of one repository, could point at digest after it. It returns
// ErrNoRepository if the repository is not there, and ErrImmutableTag for each tag that holds another digest and cannot
// move. An empty digest means that the digest is not known yet: then every immutable tag that is there is an error,
// unless the build is to give exactly what it holds.
//
// Only Amazon ECR can be asked. Nil means that no failure is in sight, or that the client could not find out, for
// example for want of the right to ecr:DescribeRepositories. What does not stop a push is no error here.
func (c *Client) CheckTags(ctx context.Context, repository string, tags []Tag, digest string) error {
	if err := checkRepositories(repository, tags); err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, checkTimeout, errors.New("a check that nobody waits for any longer"))
	defer stop()
	api, err := c.ecrRepository(ctx, repository)
	if api == nil || err != nil {
		return nil //nolint:nilerr // the push will say it, if it stops the push
	}
	m, err := api.Mutability(ctx)
	switch {
	case errors.Is(err, fault.ErrNoRepository):
		return checkMissing(ctx, api, repository, err)
	case err != nil:
		return nil //nolint:nilerr // as above
	}
	return c.checkTags(ctx, m, tags, digest)
}

// checkMissing returns nil if a push would make the missing repository, or if nobody knows whether it would.
func checkMissing(ctx context.Context, api *ecr.Repository, repository string, missing error) error {
	if creates, err := api.CreatesOnPush(ctx); creates || err != nil {
		return nil //nolint:nilerr // nobody knows
	}
	return fmt.Errorf("repository %s: %w", repository, missing)
}

// checkTags returns an error for each tag that cannot move to a digest.
func (c *Client) checkTags(ctx context.Context, m ecr.Mutability, tags []Tag, want string) error {
	var obstacles []error
	for _, tag := range tags {
		if !m.IsImmutable(tag.label) {
			continue
		}
		held, err := c.Resolve(ctx, tag)
		switch {
		case errors.Is(err, fault.ErrArchived) && (want == "" || held != want):
			obstacles = append(obstacles, fmt.Errorf("tag %s: %w: %w", tag, fault.ErrImmutableTag, errors.Unwrap(err)))
		case err == nil && held != want:
			obstacles = append(obstacles, newHeldTag(tag, digest.Digest(held), digest.Digest(want)))
		}
	}
	return joinErrors(obstacles)
}

// newHeldTag returns the error of an immutable tag that holds another digest than it should.
func newHeldTag(tag Tag, held, want digest.Digest) error {
	reason := fmt.Sprintf("it holds %s, and its repository does not let it move", held)
	if want != "" {
		reason = fmt.Sprintf("it holds %s, not %s, and its repository does not let it move", held, want)
	}
	text := fmt.Sprintf("tag %s: %v: %s", tag, fault.ErrImmutableTag, reason)
	e := fault.New(fault.TagFixed, text, fault.ErrImmutableTag)
	e.Host, e.Repository, e.Label = tag.host, tag.path, tag.label
	return e
}
