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

// SetTags points tags, all of one repository, at a digest that the registry serves there, side by side. It reads each
// tag back by its bytes. It does not write a tag that already holds the digest, so that an immutable one is no error.
//
// It returns the tags that were seen to hold the digest, in the order given, also when it fails for others or ctx ends.
// It then looks once more, for two seconds at most, at the tags that failed.
//
// UNFORTUNATELY a registry has no compare-and-swap. Of two writers at once one may lose without an error, in the moment
// after it has read its tag back.
//
// The error is about one tag, or a *TagErrors. SetTags returns ErrUnsure if a tag may have moved or not, ErrNotFound if
// the digest is not there, ErrImmutableTag, and ErrMismatch if a tag holds something else after all. It also returns
// ErrNoRepository, ErrUnauthorized, ErrDenied, ErrUnsupported, ErrRateLimited and ErrUnreachable.
func (c *Client) SetTags(ctx context.Context, repository, digest string, tags []Tag) (moved []Tag, err error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	if err := checkRepositories(repository, tags); err != nil || len(tags) == 0 {
		return nil, err
	}
	w, err := c.newTagWriter(ctx, repository, digest)
	if err != nil {
		return nil, fmt.Errorf("tagging %s: %w", tags[0], err)
	}
	failures := w.setTags(ctx, tags)
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

// tagWriter points tags of one repository at a document.
type tagWriter struct {
	session  *session
	document document
	before   func(Tag) (held digest.Digest, ok bool) // what Prepare saw in a tag
}

// newTagWriter opens the repository and fetches what the tags are to hold, unless Verify just has.
func (c *Client) newTagWriter(ctx context.Context, repository, digest string) (*tagWriter, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return nil, err
	}
	s, err := c.session(ctx, repository, pushPull)
	if err != nil {
		return nil, err
	}
	d, err := s.seenOrFetch(ctx, want)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", digest, err)
	}
	return &tagWriter{session: s, document: d, before: c.heldBefore}, nil
}

// setTags sets every tag, and returns the failure of each, nil for a success.
//
// A failure of one tag does not stop the others. A canceled write may or may not have happened, and that is harder to
// report than one more moved tag.
func (w *tagWriter) setTags(ctx context.Context, tags []Tag) []error {
	failures := make([]error, len(tags))
	var group errgroup.Group
	group.SetLimit(concurrency)
	for i, tag := range tags {
		rescue.GoErrGroup(&group, func() error {
			if err := rescue.Call(func() error { return w.setTag(ctx, tag) }); err != nil {
				failures[i] = fmt.Errorf("tagging %s: %w", tag, err)
			}
			return nil
		})
	}
	_ = group.Wait()
	w.lookAgain(ctx, tags, failures)
	return failures
}

// setTag moves a tag unless it holds the digest, and reads it back.
func (w *tagWriter) setTag(ctx context.Context, tag Tag) error {
	if !w.isThere(ctx, tag) {
		if err := w.moveTag(ctx, tag); err != nil {
			return err
		}
	}
	return w.readBack(ctx, tag)
}

// isThere reports whether the tag holds the digest already. That only saves a PUT, so it takes the word of Prepare for
// a tag that did not. If HEAD fails, so will the PUT, and with a reason.
func (w *tagWriter) isThere(ctx context.Context, tag Tag) bool {
	if held, ok := w.before(tag); ok && held != w.document.digest {
		return false
	}
	held, _, _ := w.session.head(ctx, tag.label)
	return held == w.document.digest
}

// moveTag writes the tag. It returns nil for an immutable tag that holds the digest although HEAD did not show it. It
// returns ErrImmutableTag for one that holds another image, or an image that is listed and not served.
func (w *tagWriter) moveTag(ctx context.Context, tag Tag) error {
	err := w.session.put(ctx, tag.label, w.document)
	if !errors.Is(err, fault.ErrImmutableTag) {
		return err
	}
	held, readErr := w.fetch(ctx, tag)
	switch {
	case errors.Is(readErr, fault.ErrNotFound):
		// A tag whose image is served would not bring back this one.
		text := fmt.Sprintf("it holds an image that %s does not serve, since it is archived or its content is gone",
			tag.Host())
		return w.newError(fault.TagFixedUnserved, tag, fault.ErrImmutableTag, text)
	case readErr != nil:
		return err
	case held.digest == w.document.digest:
		return nil
	}
	return fmt.Errorf("%w (it holds %s, not %s)", err, held.digest, w.document.digest)
}

// readBack returns ErrMismatch if the registry does not serve the tag, or another digest under it.
func (w *tagWriter) readBack(ctx context.Context, tag Tag) error {
	held, err := w.fetch(ctx, tag)
	if errors.Is(err, fault.ErrNotFound) {
		return w.newError(fault.TagLost, tag, fault.ErrMismatch, "the registry took the tag and does not serve it")
	}
	if err != nil {
		return fmt.Errorf("reading it back: %w", err)
	}
	if want := w.document.digest; held.digest != want {
		text := fmt.Sprintf("it holds %s and not %s, somebody else moved it meanwhile", held.digest, want)
		return w.newError(fault.TagTaken, tag, fault.ErrMismatch, text)
	}
	return nil
}

// fetch returns the document that a tag holds.
func (w *tagWriter) fetch(ctx context.Context, tag Tag) (document, error) {
	return w.session.fetch(ctx, tag.label, w.document.digest.Algorithm())
}

// newError returns an error about a tag, in which errors.Is finds the sentinel.
func (w *tagWriter) newError(kind fault.Kind, tag Tag, sentinel error, text string) error {
	e := w.session.peer().newError(kind, fmt.Sprintf("%v: %s", sentinel, text), sentinel)
	e.Label = tag.label
	return e
}

// lastLookTimeout bounds what lookAgain adds to an operation that was canceled.
const lastLookTimeout = 2 * time.Second

// lookAgain removes the failures of tags that hold the digest nevertheless: the answer to their write was lost, or the
// operation ended before it came. It adds ErrUnsure to the failures of tags that it cannot look at.
func (w *tagWriter) lookAgain(ctx context.Context, tags []Tag, failures []error) {
	late := fmt.Errorf("no answer within %s", lastLookTimeout)
	ctx, stop := context.WithTimeoutCause(context.WithoutCancel(ctx), lastLookTimeout, late)
	defer stop()
	var group errgroup.Group
	group.SetLimit(concurrency)
	for i, tag := range tags {
		if failures[i] == nil {
			continue
		}
		rescue.GoErrGroup(&group, func() error {
			held, err := w.fetch(ctx, tag)
			switch {
			case err == nil && held.digest == w.document.digest:
				failures[i] = nil
			case err != nil && !errors.Is(err, fault.ErrNotFound):
				failures[i] = fmt.Errorf("%w; %w", failures[i], fault.ErrUnsure)
			}
			return nil
		})
	}
	_ = group.Wait()
}
