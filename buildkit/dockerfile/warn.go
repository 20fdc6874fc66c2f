package dockerfile

import (
	"context"
	"fmt"
	"sync/atomic"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
)

// warningLimiter is a gateway that passes the first warnings on, and one more that says so: each carries the whole
// Dockerfile.
type warningLimiter struct {
	gateway.Client
	seen atomic.Int64
}

// Warn passes a warning on, or nothing.
func (f *warningLimiter) Warn(ctx context.Context, step digest.Digest, text string, opts gateway.WarnOpts) error {
	switch n := f.seen.Add(1); {
	case n > warningLimit+1:
		return nil
	case n > warningLimit:
		text = fmt.Sprintf("the Dockerfile has more warnings: only the first %d are shown", warningLimit)
		opts = gateway.WarnOpts{Level: opts.Level, SourceInfo: opts.SourceInfo}
	}
	return f.Client.Warn(ctx, step, text, opts)
}
