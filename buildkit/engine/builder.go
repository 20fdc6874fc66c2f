package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	bkclient "github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/tunnel"
)

// BuilderOptions says what our BuildKit in an engine needs.
type BuilderOptions struct {
	// Registries holds, by host, the registries that are not reached by https with the machine's own authorities.
	Registries map[string]inside.Registry
	// Hosts are the registries that the build needs. The builder makes a tunnel to a registry on the loopback of this
	// machine if nothing answers at its port in the network of the engine.
	Hosts []string
	// Note is called with a line for each thing that is made in the engine, and with the notes of the daemon.
	Note func(line string)
}

// Builder is our BuildKit in a container of an engine. The caller closes it.
type Builder struct {
	builderContainer
	settings []byte // a line of JSON
	targets  []tunnel.Target

	mu      sync.Mutex
	tunnels map[string]*openTunnel // by address
	offline string
}

// StartBuilder returns our BuildKit in the engine. It loads the image and starts the container unless the container
// runs. The container stops by itself a minute after its last use; the image and the volume with the cache stay.
//
// It returns a *MissingProgramsError if the plugin was shipped without the programs for the engine's architecture.
func (e *Engine) StartBuilder(ctx context.Context, o BuilderOptions) (*Builder, error) {
	ctx, stop := context.WithTimeoutCause(ctx, containerLimit, fmt.Errorf("it did not run within %s", containerLimit))
	defer stop()
	image, err := e.builderImage(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(inside.Settings{
		Key: image.key(), Registries: o.Registries, Environ: inheritedEnviron(),
	})
	if err != nil {
		return nil, err
	}
	b := &Builder{
		builderContainer: builderContainer{
			engine: e, name: "pulumi-buildkit-" + image.key(), image: image, note: o.Note,
		},
		settings: append(settings, '\n'), tunnels: map[string]*openTunnel{},
	}
	for _, host := range o.Hosts {
		if target, ok := tunnel.TargetOf(host); ok {
			b.targets = append(b.targets, target)
		}
	}
	if err := b.ensure(ctx); err != nil {
		return nil, fmt.Errorf("our BuildKit in the Docker Engine at %s: %w", e.address.Host, err)
	}
	return b, nil
}

// Endpoint returns the endpoint of the builder, as messages name it.
func (b *Builder) Endpoint() string { return "docker-container://" + b.name }

// inheritedVariables are the environment variables that the daemon in the container inherits from this process.
var inheritedVariables = []string{
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"PULUMI_BUILDKIT_DAEMON_IDLE",
}

// inheritedEnviron returns those of inheritedVariables that are set.
func inheritedEnviron() map[string]string {
	found := map[string]string{}
	for _, name := range inheritedVariables {
		if value := os.Getenv(name); value != "" {
			found[name] = value
		}
	}
	return found
}

// Dial returns a connection to the daemon, and starts the daemon if none runs. The daemon runs as long as a connection
// is open.
func (b *Builder) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := b.exec(ctx, inside.ConnectRole)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) //nolint:forbidigo // cannot panic
	defer stop()
	var hello inside.Greeting
	greeted, err := greet(conn, b.settings, &hello)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	for _, line := range hello.Notes {
		b.note(b.Endpoint() + ": " + line)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offline = hello.Offline
	return greeted, nil
}

// startLimitInside bounds how long the daemon in the container takes to answer, which it starts if none runs.
const startLimitInside = time.Minute

// BuildKit returns a client of the daemon and waits until it answers, a minute at most. It opens the tunnels to
// registries on this machine first, again if they have ended. The caller closes the client.
//
// It returns a *ClaimedError if the port of a registry leads to another machine.
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
		return nil, &endpoint.NoDaemonError{Endpoint: b.Endpoint(), Cause: cmp.Or(failed, err)}
	}
	return c, nil
}
