package provider

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

// returnLimit is how long a builder that was lost may take to come back: something may be restarting it.
const returnLimit = 20 * time.Second

// findAgain returns the builders of a job of which a builder was lost. A single builder gets returnLimit to come back,
// and so does a node if no other one may do its work. The caller releases the builders.
func (j imageJob) findAgain(ctx context.Context) ([]node, error) {
	deadline := time.Now().Add(cmp.Or(j.settings.dialLimit, returnLimit))
	for {
		nodes, err := j.findNodes(ctx)
		if err == nil && len(nodes) == 1 && !nodes[0].isOneOfSeveral {
			nodes[0].connect = connectUntil(nodes[0].connect, deadline)
		}
		if !mayReturn(err) || !pauseBefore(ctx, deadline) {
			return nodes, err
		}
		j.settings.nodes.forget()
	}
}

// mayReturn tells whether no builder was found because one does not answer.
func mayReturn(err error) bool {
	none, ok := errors.AsType[*noNodeError](err)
	return errors.As(err, new(*engine.NoEngineError)) || ok && len(none.absent) > 0
}

// connectUntil returns a function that connects to a daemon, and tries again until the deadline if there is none.
func connectUntil(
	connect func(context.Context) (*client.Client, error), deadline time.Time,
) func(context.Context) (*client.Client, error) {
	return func(ctx context.Context) (*client.Client, error) {
		for {
			c, err := connect(ctx)
			_, isAbsent := errors.AsType[*endpoint.NoDaemonError](err)
			if !isAbsent || !pauseBefore(ctx, deadline) {
				return c, err
			}
		}
	}
}

// pauseBefore waits a moment. It returns false if ctx or the deadline ends first.
func pauseBefore(ctx context.Context, deadline time.Time) bool {
	const moment = 500 * time.Millisecond
	if time.Until(deadline) < moment {
		return false
	}
	select {
	case <-time.After(moment):
		return true
	case <-ctx.Done():
		return false
	}
}

// isLost tells whether a build failed because its daemon ended, or because a node does not answer any more: what it
// answered before holds for a while. A single builder that does not answer fails at once.
func isLost(ctx context.Context, on node, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	absent := errors.As(err, new(*endpoint.NoDaemonError)) || errors.As(err, new(*engine.NoEngineError))
	return errors.As(err, new(*buildkit.StoppedError)) || on.isOneOfSeveral && absent
}
