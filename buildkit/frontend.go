package buildkit

import (
	"context"

	"github.com/moby/buildkit/frontend/dockerfile/builder"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// frontend is the Dockerfile frontend of this process on its way to a daemon: each definition is seen before the daemon
// gets it.
type frontend struct {
	gateway.Client
	platforms *stepPlatforms
	reads     Reads // what was hashed; nil: whole contexts
}

// buildFunc runs the frontend for one solve.
func buildFunc(platforms *stepPlatforms, reads Reads) gateway.BuildFunc {
	return func(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
		return builder.Build(ctx, frontend{Client: c, platforms: platforms, reads: reads})
	}
}

// Solve passes a definition on unless it reads what was not hashed.
func (f frontend) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	if err := f.reads.guard(req); err != nil {
		return nil, err
	}
	f.platforms.note(req.Definition)
	return f.Client.Solve(ctx, req)
}
