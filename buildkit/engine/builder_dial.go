package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	bkclient "github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
)

// startLimitInside bounds how long the daemon in the container takes to answer, which it starts if none runs.
const startLimitInside = time.Minute

// Dial returns a connection to the daemon, and starts the daemon if none runs. The daemon runs as long as a connection
// is open. The end of ctx does not end the connection.
func (b *Builder) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := b.exec(ctx, inside.ConnectRole)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) //nolint:forbidigo // cannot panic
	defer stop()
	greeted := newGreeting(conn)
	var hello inside.Greeting
	if err := greeted.exchange(b.settings, &hello); err != nil {
		err = errors.Join(err, conn.Close())
		return nil, cmp.Or(context.Cause(ctx), err)
	}
	for _, line := range hello.Notes {
		b.note(b.Endpoint() + ": " + line)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hello = hello
	return greeted, nil
}

// dialWithin is Dial with a time limit.
func (b *Builder) dialWithin(ctx context.Context, limit time.Duration) (net.Conn, error) {
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer stop()
	return b.Dial(ctx)
}

// takeSpare returns the connection that StartBuilder has opened, once. Otherwise it returns nil.
func (b *Builder) takeSpare() net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	conn := b.spare
	b.spare = nil
	return conn
}

// OfflineReason returns why steps of the daemon have no network, or "".
func (b *Builder) OfflineReason() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hello.Offline
}

// IsRootless reports whether the daemon runs in a user namespace, where its steps have no cgroups.
func (b *Builder) IsRootless() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hello.Rootless
}

// BuildKit returns a client of the daemon and waits until it answers, a minute at most. It opens the tunnels to
// registries on this machine first, again if they have ended. The caller closes the client.
//
// It returns a *ClaimedError if the port of a registry leads to another machine, an *OccupiedError if something else
// listens there, a *TunnelError if a tunnel cannot be opened, and a *BuilderError if the daemon does not answer.
func (b *Builder) BuildKit(ctx context.Context) (*bkclient.Client, error) {
	if err := b.openTunnels(ctx); err != nil {
		return nil, err
	}
	var failed error // of the last connection, which gRPC tells as text only
	var mu sync.Mutex
	c, err := newClient(ctx,
		bkclient.WithGRPCDialOption(grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.DefaultConfig, MinConnectTimeout: startLimitInside,
		})),
		bkclient.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			if conn := b.takeSpare(); conn != nil {
				return conn, nil
			}
			conn, err := b.Dial(ctx)
			mu.Lock()
			defer mu.Unlock()
			failed = err
			return conn, err
		}))
	if err != nil {
		return nil, err
	}
	silent := fmt.Errorf("no answer within %s", startLimitInside)
	waitCtx, stop := context.WithTimeoutCause(ctx, startLimitInside, silent)
	defer stop()
	if _, err := c.Info(waitCtx); err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		mu.Lock()
		defer mu.Unlock()
		return nil, &BuilderError{Host: b.engine.address.Host, Cause: cmp.Or(failed, err)}
	}
	return c, nil
}
