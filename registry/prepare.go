package registry

import (
	"context"
	"errors"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// preparation is what Prepare did for one repository.
type preparation struct {
	opened  chan struct{} // closed when session is set
	session *session      // nil if it could not be opened

	mu   sync.Mutex
	held map[Tag]digest.Digest // what the tags held; "" for a tag that was not there
}

// Prepare opens a repository for Verify and SetTags, and asks what the tags hold now. Call it while the builder pushes:
// Verify and SetTags then take three to ten round trips fewer, because each would open the repository itself.
//
// Prepare returns no error, because Verify and SetTags do themselves what it could not do.
func (c *Client) Prepare(ctx context.Context, repository string, tags []Tag) {
	ctx, stop := c.withBudget(ctx)
	defer stop()
	p := &preparation{opened: make(chan struct{}), held: map[Tag]digest.Digest{}}
	c.mu.Lock()
	c.prepared[repository] = p
	c.mu.Unlock()
	p.open(func() (*session, error) {
		return c.sessionFor(ctx, sessionKey{repository: repository, actions: pushPull})
	})
	if p.session != nil {
		p.look(ctx, tags)
	}
}

// open keeps the session that open returns. A panic in it leaves none.
func (p *preparation) open(open func() (*session, error)) {
	defer close(p.opened)
	_ = rescue.Call(func() (err error) {
		p.session, err = open()
		return err
	})
}

// look asks what the tags hold, side by side.
func (p *preparation) look(ctx context.Context, tags []Tag) {
	var group errgroup.Group
	group.SetLimit(concurrency)
	for _, tag := range tags {
		rescue.GoErrGroup(&group, func() error {
			held, _, err := p.session.head(ctx, tag.label)
			if err != nil && !errors.Is(err, fault.ErrNotFound) && !errors.Is(err, fault.ErrNoRepository) {
				return nil //nolint:nilerr // SetTags asks again
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.held[tag] = held
			return nil
		})
	}
	_ = group.Wait()
}

// preparedSession returns the session of Prepare, for which it waits, or nil if there is none.
func (c *Client) preparedSession(ctx context.Context, repository string) *session {
	p := c.preparation(repository)
	if p == nil {
		return nil
	}
	select {
	case <-p.opened:
		return p.session
	case <-ctx.Done():
		return nil
	}
}

// dropPreparation makes later calls open the repository themselves. It returns false if Prepare was not called.
func (c *Client) dropPreparation(repository string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.prepared[repository]
	delete(c.prepared, repository)
	delete(c.sessions, sessionKey{repository: repository, actions: pushPull})
	return ok
}

// heldBefore returns what Prepare saw in a tag. ok is false if it did not look, or could not.
func (c *Client) heldBefore(tag Tag) (held digest.Digest, ok bool) {
	p := c.preparation(tag.Repository())
	if p == nil {
		return "", false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	held, ok = p.held[tag]
	return held, ok
}

// preparation returns what Prepare did for a repository, or does at this moment, or nil.
func (c *Client) preparation(repository string) *preparation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.prepared[repository]
}
