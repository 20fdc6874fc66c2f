package engine

import (
	"context"
	"fmt"
	"net"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	bkclient "github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

// BuildKit returns a client of the BuildKit that is part of the engine. The client works as long as the connection to
// the engine is open. The caller closes it.
func (e *Engine) BuildKit(ctx context.Context) (*bkclient.Client, error) {
	return newClient(ctx,
		bkclient.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return e.api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		bkclient.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return e.api.DialHijack(ctx, "/session", proto, meta)
		}))
}

// newClient returns a client that notices within half a minute if the daemon stops answering.
func newClient(ctx context.Context, options ...bkclient.ClientOpt) (*bkclient.Client, error) {
	return bkclient.New(ctx, "", append(options, bkclient.WithGRPCDialOption(endpoint.KeepAlive()))...)
}

// BuildKitIn returns a client of the BuildKit daemon in a running container, as buildx makes them. It waits until the
// daemon answers, 20 s at most, because the container may have started a moment ago. The caller closes it.
//
// It returns an *endpoint.NoDaemonError if nothing answers.
func (e *Engine) BuildKitIn(ctx context.Context, container string) (*bkclient.Client, error) {
	waitCtx, stop := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := newClient(ctx, bkclient.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return e.dialInside(ctx, container)
		}))
		if err != nil {
			return nil, err
		}
		if _, err = c.Info(waitCtx); err == nil {
			return c, nil
		}
		_ = c.Close()
		select {
		case <-tick.C:
			continue
		case <-waitCtx.Done():
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &endpoint.NoDaemonError{Endpoint: "docker-container://" + container, Cause: err}
	}
}

// dialInside connects to the BuildKit daemon in a container, and starts the container if it does not run.
func (e *Engine) dialInside(ctx context.Context, container string) (net.Conn, error) {
	conn, err := e.Exec(ctx, container, "buildctl", "dial-stdio")
	if !cerrdefs.IsConflict(err) { // a conflict: it exists and does not run
		return conn, err
	}
	if _, err := e.StartContainer(ctx, container); err != nil {
		return nil, err
	}
	return e.Exec(ctx, container, "buildctl", "dial-stdio")
}
