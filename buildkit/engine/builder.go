package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	bkclient "github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/tunnel"
)

// Builder is our BuildKit in a container of an engine. The caller closes it.
type Builder struct {
	builderContainer
	settings []byte // a line of JSON
	targets  []tunnel.Target

	skippedProxies []string

	mu      sync.Mutex
	tunnels map[string]*openTunnel // by address
	spare   net.Conn               // a connection to the daemon that nobody uses yet, or nil
	hello   inside.Greeting        // of the last connection

	noted        map[string]bool // lines
	tunnelLimits tunnelLimits
}

// BuilderError says that our BuildKit does not run in an engine that answers.
type BuilderError struct {
	Host  string // of the engine
	Cause error
}

// Error names the engine and the cause.
func (e *BuilderError) Error() string {
	return fmt.Sprintf("our BuildKit does not run in the Docker Engine at %s: %v", e.Host, e.Cause)
}

// Unwrap returns the cause.
func (e *BuilderError) Unwrap() error { return e.Cause }

// StartBuilder returns our BuildKit in the engine, and waits until its daemon answers. It loads the image and starts
// the container unless the container runs. The container stops by itself a minute after its last use; the image and the
// volume with the cache stay.
//
// It returns a *shipped.MissingError if the plugin was shipped without the programs for the engine's architecture. It
// returns a *BuilderError if the engine does not run the container, or the daemon cannot work there.
func (e *Engine) StartBuilder(ctx context.Context, o BuilderOptions) (*Builder, error) {
	b, err := e.newBuilder(ctx, o)
	if err != nil {
		return nil, err
	}
	b.spare, err = b.startAndDial(ctx)
	switch {
	case err == nil:
		return b, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, &BuilderError{Host: e.address.Host, Cause: err}
}

// endLimit bounds how long a container that is being stopped may still be there.
const endLimit = 5 * time.Second

// startAndDial starts the container and returns a connection to its daemon.
//
// A container that is being stopped still runs, and the engine starts no program in it. So startAndDial begins again
// after such an error.
func (b *Builder) startAndDial(ctx context.Context) (net.Conn, error) {
	deadline := time.Now().Add(endLimit)
	for {
		if err := b.ensure(ctx); err != nil {
			return nil, err
		}
		conn, err := b.dialWithin(ctx, startLimitInside)
		if !errors.As(err, new(*notStartedError)) || time.Now().After(deadline) {
			return conn, err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// newBuilder returns a builder whose container may not run.
func (e *Engine) newBuilder(ctx context.Context, o BuilderOptions) (*Builder, error) {
	image, err := e.builderImage(ctx)
	if err != nil {
		return nil, err
	}
	environ, skipped, err := e.inheritEnviron(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(inside.Settings{Key: image.key(), Registries: o.Registries, Environ: environ})
	if err != nil {
		return nil, err
	}
	b := &Builder{
		builderContainer: builderContainer{
			engine: e, name: "pulumi-buildkit-" + image.key(), image: image, note: o.Note,
		},
		settings: append(settings, '\n'), skippedProxies: skipped, tunnelLimits: defaultTunnelLimits,
		tunnels: map[string]*openTunnel{}, noted: map[string]bool{},
	}
	for _, host := range o.Hosts {
		if target, ok := tunnel.TargetOf(host, o.port(host)); ok {
			b.targets = append(b.targets, target)
		}
	}
	return b, nil
}

// Endpoint returns the endpoint of the builder, as messages name it.
func (b *Builder) Endpoint() string { return "docker-container://" + b.name }

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

// dialWithin does what Dial does, within a time limit.
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

// SkippedProxies returns the environment variables that the daemon does not inherit, because they name a proxy on the
// loopback of this machine, which it does not reach.
func (b *Builder) SkippedProxies() []string { return b.skippedProxies }

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
// It returns a *ClaimedError if the port of a registry leads to another machine, and an *OccupiedError if something
// else listens there. It returns a *TunnelError if a tunnel cannot be opened, and a *BuilderError if the daemon does
// not answer.
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
