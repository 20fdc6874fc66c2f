package dockerfile

import (
	"context"
	"fmt"
	"sync/atomic"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
)

// fewWarnings is a gateway that passes the first warnings on, and one more that says so: each carries the whole
// Dockerfile.
type fewWarnings struct {
	gateway.Client
	seen atomic.Int64
}

// Warn passes a warning on, or nothing.
func (f *fewWarnings) Warn(ctx context.Context, step digest.Digest, text string, opts gateway.WarnOpts) error {
	switch n := f.seen.Add(1); {
	case n > WarningLimit+1:
		return nil
	case n > WarningLimit:
		text = fmt.Sprintf("the Dockerfile has more warnings: only the first %d are shown", WarningLimit)
		opts = gateway.WarnOpts{Level: opts.Level, SourceInfo: opts.SourceInfo}
	}
	return f.Client.Warn(ctx, step, text, opts)
}
