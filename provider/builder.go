package provider

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// links are the registries that are reached in a way of their own.
func links(keychain *registry.Keychain) map[string]daemon.Registry {
	registries := map[string]daemon.Registry{}
	for host, link := range keychain.Links() {
		registries[host] = daemon.Registry{CAFile: link.CAFile, Project: link.Project, PlainHTTP: link.Insecure}
	}
	return registries
}

// builder is a daemon that builds.
type builder struct {
	endpoint string
	release  func()        // the embedded daemon lives at least until then
	embedded *daemon.Lease // nil: the daemon is another one
}

// connect returns a client of the daemon, which the caller closes.
func (b builder) connect(ctx context.Context, config Config) (*client.Client, error) {
	if b.own() {
		return buildkit.DialThrough(ctx, b.endpoint, b.embedded.Dial)
	}
	return config.dial(ctx, b.endpoint)
}

// own tells whether the provider started the builder: what strangers write must not make it do more than the program says.
func (b builder) own() bool { return b.embedded != nil }

// acquire finds the builder, in this order: the one that was asked for, the environment variable BUILDKIT_HOST, the embedded daemon.
func acquire(ctx context.Context, asked string, embedded daemon.Options) (builder, error) {
	if asked != "" {
		return builder{endpoint: asked, release: func() {}}, nil
	}
	if host := os.Getenv("BUILDKIT_HOST"); host != "" {
		if err := buildkit.CheckEndpoint(host); err != nil {
			return builder{}, fmt.Errorf("BUILDKIT_HOST: %w", explainEndpoint(err))
		}
		return builder{endpoint: host, release: func() {}}, nil
	}
	lease, err := daemon.Acquire(ctx, embedded)
	if err != nil {
		return builder{}, err
	}
	return builder{endpoint: lease.Endpoint(), release: func() { _ = lease.Release() }, embedded: lease}, nil
}
