package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

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
	spare   net.Conn               // a connection to the daemon that nobody uses yet, or nil
	hello   inside.Greeting        // of the last connection

	tunnelLimit time.Duration
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
// It returns a *MissingProgramsError if the plugin was shipped without the programs for the engine's architecture. It
// returns a *BuilderError if the engine does not run the container, or the daemon cannot work there.
func (e *Engine) StartBuilder(ctx context.Context, o BuilderOptions) (*Builder, error) {
	b, err := e.newBuilder(ctx, o)
	if err != nil {
		return nil, err
	}
	err = b.ensure(ctx)
	if err == nil {
		b.spare, err = b.dialWithin(ctx, startLimitInside)
	}
	switch {
	case err == nil:
		return b, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, &BuilderError{Host: e.address.Host, Cause: err}
}

// newBuilder returns a builder whose container may not run.
func (e *Engine) newBuilder(ctx context.Context, o BuilderOptions) (*Builder, error) {
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
		settings: append(settings, '\n'), tunnels: map[string]*openTunnel{}, tunnelLimit: tunnelLimit,
	}
	for _, host := range o.Hosts {
		if target, ok := tunnel.TargetOf(host); ok {
			b.targets = append(b.targets, target)
		}
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
