package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

// returnLimit is how long a builder that was lost may take to come back: something may be restarting it.
const returnLimit = 20 * time.Second

// lossAge is how old the answers of the other nodes may be after a node was lost: what ended it may have ended them.
//
// Many images lose one node at about the same time. They ask the others once.
const lossAge = 5 * time.Second

// runAgain runs the job once more after its builder was lost, or after the builder's cache was found damaged. err is
// the error of the first run.
//
// The turn lasts until the builder answers again. Else the images in the queue would dial a daemon that is just
// restarting, and fail.
func (j imageJob) runAgain(ctx context.Context, lost node, err error) (buildkit.Built, error) {
	j.progress.log.warnf("%v; trying once more", err)
	if lost.isEmbedded() { // a daemon that is frozen is replaced as soon as nobody holds a lease
		lost.release()
	}
	j.settings.nodes.forget(lost.candidateName)
	j.settings.nodes.forgetOld(lossAge)
	nodes, errAgain := j.findAgain(ctx)
	j.endTurn()
	j.endTurn = nil
	if errAgain != nil {
		return buildkit.Built{}, fmt.Errorf("%w; tried once more: %w", err, errAgain)
	}
	built, errAgain := j.run(ctx, nodes, false)
	if errors.As(errAgain, new(*endpoint.NoDaemonError)) { // the first error says more
		errAgain = fmt.Errorf("%w; tried once more: %w", err, errAgain)
	}
	return built, errAgain
}

// findAgain returns the builders of a job of which a builder was lost. A single builder gets returnLimit to come back,
// and answers when findAgain returns it. So does a node if no other one may do its work. The builders are released with
// j.finished.
func (j imageJob) findAgain(ctx context.Context) ([]node, error) {
	deadline := time.Now().Add(cmp.Or(j.settings.dialLimit, returnLimit))
	for {
		nodes, err := j.findNodes(ctx)
		switch {
		case err == nil && len(nodes) == 1 && !nodes[0].isOneOfSeveral:
			return nodes, explainBuild(j.awaitAnswer(ctx, nodes[0].builder, deadline))
		case err == nil:
			return nodes, nil
		}
		if !mayReturn(err) || !pauseBefore(ctx, deadline) {
			return nil, explainBuilder(err)
		}
		j.settings.nodes.forget(absentNames(err)...)
	}
}

// absentNames returns the names of the nodes that did not answer.
func absentNames(err error) (names []string) {
	if none, ok := errors.AsType[*noNodeError](err); ok {
		for _, a := range none.absent {
			names = append(names, a.name)
		}
	}
	return names
}

// mayReturn tells whether no builder was found because one does not answer.
func mayReturn(err error) bool {
	return errors.As(err, new(*engine.NoEngineError)) || len(absentNames(err)) > 0
}

// awaitAnswer waits until a builder answers. It returns the error of the last try if the deadline passes before.
func (j imageJob) awaitAnswer(ctx context.Context, b builder, deadline time.Time) error {
	defer j.op.waits.begin(waitForDaemon(b))()
	for {
		c, err := b.connect(ctx)
		if err == nil {
			return c.Close()
		}
		_, isAbsent := errors.AsType[*endpoint.NoDaemonError](err)
		if !isAbsent || !pauseBefore(ctx, deadline) {
			return err
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
