package buildkit

import (
	"context"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// frontend is the Dockerfile frontend of this process on its way to a daemon: each definition is seen before the daemon
// gets it.
type frontend struct {
	gateway.Client
	platforms *stepPlatforms
	guard     *guard
}

// guard lets nothing be sent that was not hashed, and remembers why it stopped a build: an error that passes the daemon
// comes back as text.
type guard struct {
	reads Reads // what was hashed; nil: whole contexts

	mu      sync.Mutex
	stopped error
}

func (g *guard) check(req gateway.SolveRequest) error {
	err := g.reads.guard(req)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped == nil {
		g.stopped = err
	}
	return err
}

func (g *guard) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

// buildFunc runs the frontend for one solve.
func buildFunc(platforms *stepPlatforms, g *guard) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		return builder.Build(ctx, frontend{Client: c, platforms: platforms, guard: g})
	}
}

// Solve passes a definition on unless it reads what was not hashed.
func (f frontend) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	if err := f.guard.check(req); err != nil {
		return nil, err
	}
	f.platforms.note(req.Definition)
	return f.Client.Solve(ctx, req)
}
