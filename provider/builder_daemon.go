package provider

import (
	"context"
	"sync/atomic"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shell"
)

// connectDaemon returns the builder at the endpoint of a BuildKit daemon. It dials nothing yet.
func (f *builderFinder) connectDaemon(e endpoint.Endpoint, tls *endpoint.TLS) builder {
	var version atomic.Value // of the last first answer
	options := endpoint.Options{
		TLS: tls, AllowInsecure: f.config.allowsInsecureTCP(), Limit: f.dialLimit,
		Version: func(told string) { version.Store(told) },
	}
	b := builder{
		endpoint: e.String(), release: func() {}, prune: "buildctl --addr " + shell.Quote(e.String()) + " prune",
		connect: func(ctx context.Context) (*client.Client, error) { return e.Dial(ctx, options) },
		version: func() string { told, _ := version.Load().(string); return told },
	}
	if e.SocketPath() != "" {
		b.cores = coresHere()
	}
	return b
}
