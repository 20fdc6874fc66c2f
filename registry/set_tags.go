package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// SetTags points tags, all of one repository, at a digest that the registry serves there, side by side, and reads each of them back by its
// bytes. A tag that already holds the digest is not written, so that an immutable one is no error. It returns the tags that were seen to
// hold the digest, in the order given, also when it fails for others or ctx ends: it then looks once more, for two seconds at most, at those
// that failed.
//
// UNFORTUNATELY a registry has no compare-and-swap: of two that tag at once one may lose without an error, in the moment after it has read
// its tag back.
//
// Errors, of one tag or one per tag: ErrUnsure if it may have moved or not; ErrNotFound if the digest is not there; ErrImmutableTag; ErrMismatch if a tag holds something else after
// all; ErrNoRepository, ErrUnauthorized, ErrDenied, ErrUnsupported, ErrRateLimited, ErrUnreachable.
func (c *Client) SetTags(ctx context.Context, repository, digest string, tags []Tag) (moved []Tag, err error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	if err := checkRepositories(repository, tags); err != nil || len(tags) == 0 {
		return nil, err
	}
	s, d, err := c.openForTags(ctx, repository, digest)
	if err != nil {
		return nil, fmt.Errorf("tagging %s: %w", tags[0], err)
	}
	failures := s.setTags(ctx, d, tags)
	for i, tag := range tags {
		if failures[i] == nil {
			moved = append(moved, tag)
		}
	}
	return moved, joinErrors(failures)
}

// checkRepositories returns an error for a tag of another repository.
func checkRepositories(repository string, tags []Tag) error {
	for _, tag := range tags {
		if tag.Repository() != repository {
			return fmt.Errorf("tagging %s: it is not in %s, where the image is", tag, repository)
		}
	}
	return nil
}

// openForTags opens the repository and fetches what the tags are to hold, unless Verify just has.
func (c *Client) openForTags(ctx context.Context, repository, digest string) (*session, document, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return nil, document{}, err
	}
	s, err := c.session(ctx, repository, pushPull)
	if err != nil {
		return nil, document{}, err
	}
	d, err := s.seenOrFetch(ctx, want)
	if err != nil {
		return nil, document{}, fmt.Errorf("reading %s: %w", digest, err)
	}
	return s, d, nil
}

// setTags tries every tag, whatever becomes of the others: half a request more or less is worse to explain than one tag more.
func (s *session) setTags(ctx context.Context, d document, tags []Tag) []error {
	failures := make([]error, len(tags))
	var group errgroup.Group
	group.SetLimit(concurrency)
	for i, tag := range tags {
		rescue.GoErrGroup(&group, func() error {
			if err := rescue.Call(func() error { return s.setTag(ctx, d, tag) }); err != nil {
				failures[i] = fmt.Errorf("tagging %s: %w", tag, err)
			}
			return nil
		})
	}
	_ = group.Wait()
	s.lookAgain(ctx, d, tags, failures)
	return failures
}

// lastLook bounds what lookAgain adds to an operation that was canceled.
const lastLook = 2 * time.Second

// lookAgain takes back the failures of tags that hold the digest nevertheless: the answer to their write was lost, or nobody waited for it
// any more.
func (s *session) lookAgain(ctx context.Context, d document, tags []Tag, failures []error) {
	ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), lastLook, fmt.Errorf("no answer within %s", lastLook))
	defer stop()
	var group errgroup.Group
	group.SetLimit(concurrency)
	for i, tag := range tags {
		if failures[i] == nil {
			continue
		}
		rescue.GoErrGroup(&group, func() error {
			held, err := s.fetch(ctx, tag.label, d.digest.Algorithm())
			switch {
			case err == nil && held.digest == d.digest:
				failures[i] = nil
			case err != nil && !errors.Is(err, fault.ErrNotFound):
				failures[i] = fmt.Errorf("%w; %w", failures[i], fault.ErrUnsure)
			}
			return nil
		})
	}
	_ = group.Wait()
}

func (s *session) setTag(ctx context.Context, d document, tag Tag) error {
	// What HEAD says only saves a PUT; if it fails, so will the PUT, and with a reason.
	if held, _, _ := s.head(ctx, tag.label); held != d.digest {
		if err := s.move(ctx, d, tag); err != nil {
			return err
		}
	}
	return s.readBack(ctx, d.digest, tag)
}

// move writes the tag. An immutable tag that HEAD did not show to hold the digest may hold it nevertheless, or an image that is listed and
// not served.
func (s *session) move(ctx context.Context, d document, tag Tag) error {
	err := s.put(ctx, tag.label, d)
	if !errors.Is(err, fault.ErrImmutableTag) {
		return err
	}
	held, unknown := s.fetch(ctx, tag.label, d.digest.Algorithm())
	switch {
	case errors.Is(unknown, fault.ErrNotFound):
		// Other tags, whose images are served, would not bring back this one.
		text := fmt.Sprintf("it holds an image that %s does not serve, since it is archived or its content is gone", tag.Host())
		return s.tagError(fault.TagFixedUnserved, tag, fault.ErrImmutableTag, text)
	case unknown != nil:
		return err
	case held.digest == d.digest:
		return nil
	}
	return fmt.Errorf("%w (it holds %s, not %s)", err, held.digest, d.digest)
}

// tagError returns an error about a tag. It is the sentinel.
func (s *session) tagError(kind fault.Kind, tag Tag, sentinel error, text string) error {
	e := s.peer().newError(kind, fmt.Sprintf("%v: %s", sentinel, text), sentinel)
	e.Label = tag.label
	return e
}

func (s *session) readBack(ctx context.Context, want digest.Digest, tag Tag) error {
	held, err := s.fetch(ctx, tag.label, want.Algorithm())
	if errors.Is(err, fault.ErrNotFound) {
		return s.tagError(fault.TagLost, tag, fault.ErrMismatch, "the registry took the tag and does not serve it")
	}
	if err != nil {
		return fmt.Errorf("reading it back: %w", err)
	}
	if held.digest != want {
		text := fmt.Sprintf("it holds %s and not %s, somebody else moved it meanwhile", held.digest, want)
		return s.tagError(fault.TagTaken, tag, fault.ErrMismatch, text)
	}
	return nil
}
