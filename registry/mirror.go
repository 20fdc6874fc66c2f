package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// mirrorTimeout bounds one request to a mirror. A mirror is asked once: the registry behind it has what it lacks.
const mirrorTimeout = 10 * time.Second

// MirrorError says why a mirror was passed over.
type MirrorError struct {
	Mirror string // host[:port][/path]
	Cause  error
}

// Error names the mirror and the cause.
func (e *MirrorError) Error() string { return fmt.Sprintf("mirror %s: %v", e.Mirror, e.Cause) }

// Unwrap returns the cause.
func (e *MirrorError) Unwrap() error { return e.Cause }

// IsSilent reports whether nothing answered at the mirror, for reasons of DNS, network or time.
func (e *MirrorError) IsSilent() bool {
	cause, ok := errors.AsType[*fault.Error](e.Cause)
	return ok && (cause.Kind == fault.Silent || cause.Kind == fault.Unreachable)
}

// ResolveMirrored returns the digest that a tag holds now, and asks mirrors of its registry first, in their order. It
// asks as BuildKit does: at host[:port]/v2/[path/]repository, with the host of the registry in the parameter ns.
//
// The errors are those of Resolve, about the registry itself. failed has a *MirrorError for each mirror that was asked
// and failed; one that does not have the tag has not failed.
func (c *Client) ResolveMirrored(
	ctx context.Context, tag Tag, mirrors []string,
) (held string, failed []*MirrorError, err error) {
	for i, mirror := range mirrors {
		found, err := c.resolveWithin(ctx, tag, mirror, len(mirrors)-i+1)
		if err == nil {
			return found.String(), failed, nil
		}
		if ctx.Err() != nil {
			return "", failed, context.Cause(ctx)
		}
		if !errors.Is(err, fault.ErrNotFound) {
			failed = append(failed, &MirrorError{Mirror: mirror, Cause: err})
		}
	}
	held, err = c.Resolve(ctx, tag)
	return held, failed, err
}

// resolveWithin returns the digest that a mirror has for a tag. It takes at most mirrorTimeout, and an equal share of
// the time that is left for this mirror, the next ones and the registry: as many as shares.
func (c *Client) resolveWithin(ctx context.Context, tag Tag, mirror string, shares int) (digest.Digest, error) {
	limit := mirrorTimeout
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)/time.Duration(shares))
	}
	late := fault.New(fault.Silent, fmt.Sprintf("no answer within %s", limit.Round(time.Second)), fault.ErrUnreachable)
	ctx, stop := context.WithTimeoutCause(ctx, limit, late)
	defer stop()
	found, err := c.resolveAt(ctx, tag, mirror)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return found, err
}

// resolveAt returns the digest that a mirror has for a tag.
func (c *Client) resolveAt(ctx context.Context, tag Tag, mirror string) (digest.Digest, error) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	repository := strings.TrimSuffix(mirror, "/") + "/" + tag.path
	s, err := c.sessionFor(ctx, sessionKey{repository: repository, actions: pull, mirrorOf: tag.host})
	if err != nil {
		return "", err
	}
	return s.resolve(ctx, tag.label, digest.Canonical)
}
