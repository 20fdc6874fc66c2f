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

// IsSilent reports whether an error says that nothing answered at a registry or a mirror, for reasons of DNS, network
// or time.
func IsSilent(err error) bool {
	cause, ok := errors.AsType[*fault.Error](err)
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
		var found digest.Digest
		err := withinShare(ctx, len(mirrors)-i+1, func(ctx context.Context) (err error) {
			found, err = c.resolveAt(ctx, tag, mirror)
			return err
		})
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

// ResolveBriefly is Resolve, and leaves time for a number of mirrors that are asked next. IsSilent reports whether
// nothing answered within that time.
func (c *Client) ResolveBriefly(ctx context.Context, tag Tag, mirrors int) (held string, err error) {
	err = withinShare(ctx, mirrors+1, func(ctx context.Context) (err error) {
		held, err = c.Resolve(ctx, tag)
		return err
	})
	return held, err
}

// withinShare calls resolve, which takes at most mirrorTimeout, and an equal share of the time that is left for this
// registry or mirror and the next ones: as many as shares.
func withinShare(ctx context.Context, shares int, resolve func(context.Context) error) error {
	limit := mirrorTimeout
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)/time.Duration(shares))
	}
	late := fault.New(fault.Silent, fmt.Sprintf("no answer within %s", limit.Round(time.Second)), fault.ErrUnreachable)
	ctx, stop := context.WithTimeoutCause(ctx, limit, late)
	defer stop()
	err := resolve(ctx)
	hasAnswer := errors.As(err, new(*fault.RetriesExhausted)) // of a try before the time was over
	if err != nil && ctx.Err() != nil && !hasAnswer {
		err = context.Cause(ctx)
	}
	return err
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
