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

// CheckTags says before a build what is known to keep tags, all of one repository, from being pointed at digest after
// it: the repository is not there, or a tag is immutable and holds another digest. An empty digest is one that is not
// known yet: then any immutable tag that is there is in the way, unless the build is to give exactly what it holds.
//
// Only Amazon ECR can be asked. Nil means that nothing is in the way or that it could not be found out, for want of the
// rights to ecr:DescribeRepositories for example: what does not stop a push is no error here.
//
// Errors, one per tag: ErrImmutableTag; ErrNoRepository.
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

// checkMissing: a repository that a push would make is as good as one that is there.
func checkMissing(ctx context.Context, api *ecr.Repository, repository string, missing error) error {
	if made, err := api.CreatesOnPush(ctx); made || err != nil {
		return nil //nolint:nilerr // nobody knows
	}
	return fmt.Errorf("repository %s: %w", repository, missing)
}

func (c *Client) checkTags(ctx context.Context, m ecr.Mutability, tags []Tag, want string) error {
	var inTheWay []error
	for _, tag := range tags {
		if !m.KeepsTag(tag.label) {
			continue
		}
		held, err := c.Resolve(ctx, tag)
		switch {
		case errors.Is(err, fault.ErrArchived) && (want == "" || held != want):
			inTheWay = append(inTheWay, fmt.Errorf("tag %s: %w: %w", tag, fault.ErrImmutableTag, errors.Unwrap(err)))
		case err == nil && held != want:
			inTheWay = append(inTheWay, newHeldTag(tag, digest.Digest(held), digest.Digest(want)))
		}
	}
	return joinErrors(inTheWay)
}

// newHeldTag is an immutable tag that holds another digest than it should.
func newHeldTag(tag Tag, held, want digest.Digest) error {
	reason := fmt.Sprintf("it holds %s, and its repository does not let it move", held)
	if want != "" {
		reason = fmt.Sprintf("it holds %s, not %s, and its repository does not let it move", held, want)
	}
	e := fault.New(fault.TagFixed, fmt.Sprintf("tag %s: %v: %s", tag, fault.ErrImmutableTag, reason), fault.ErrImmutableTag)
	e.Host, e.Repository, e.Label = tag.host, tag.path, tag.label
	return e
}
