package provider

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// solve builds the plan on the builder that was asked for.
func (s *settings) solve(ctx context.Context, args ImageArgs, plan buildkit.Plan, in *buildkit.Inputs, progress *progress) (buildkit.Built, error) {
	leave, err := s.place(ctx, func() { progress.note("waiting: as many images build as maxParallelBuilds allows") })
	if err != nil {
		return buildkit.Built{}, err
	}
	defer leave()
	keychain := s.keychain(args.Registries)
	builder, err := acquire(ctx, s.endpoint(args.Builder), daemon.Options{Log: progress.note, Registries: links(keychain)})
	if err != nil {
		return buildkit.Built{}, err
	}
	defer builder.release()

	credentials := func(ctx context.Context, host string) (buildkit.Credential, error) {
		c, err := keychain.Lookup(ctx, host)
		return buildkit.Credential{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken}, err
	}
	access := buildkit.Access{
		Credentials: credentials, Secrets: args.secrets(), SSH: args.agents(), Exports: args.exports(),
		Silence: s.silence, Written: builder.written,
	}
	if access.CacheFrom, access.CacheTo, err = args.caches(); err != nil {
		return buildkit.Built{}, err
	}
	pushing := s.registryClientWith(keychain, args.pushLimit())
	var built buildkit.Built
	err = pushing.Push(ctx, progress.note, func(ctx context.Context) error {
		client, err := buildkit.Dial(ctx, builder.endpoint) // each time: a push that got stuck may have cost the connection
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		built, err = buildkit.Solve(ctx, client, plan, in, access, progress.report)
		plan.NoCache = false // what a failed push leaves to do is the push
		return err
	})
	return built, withEmulatorHint(err)
}

// links are the registries that are reached in a way of their own.
func links(keychain *registry.Keychain) map[string]daemon.Registry {
	registries := map[string]daemon.Registry{}
	for host, link := range keychain.Links() {
		registries[host] = daemon.Registry{CAFile: link.CAFile, Insecure: link.Insecure}
	}
	return registries
}

// builder is a daemon that builds.
type builder struct {
	endpoint string
	written  func() (bytes int64, known bool) // nil for a daemon that is not ours
	release  func()                           // the embedded daemon lives at least until then
}

// acquire finds the builder, in this order: the one that was asked for, the environment variable BUILDKIT_HOST, the embedded daemon.
func acquire(ctx context.Context, asked string, embedded daemon.Options) (builder, error) {
	if asked != "" {
		return builder{endpoint: asked, release: func() {}}, nil
	}
	if host := os.Getenv("BUILDKIT_HOST"); host != "" {
		if err := buildkit.CheckEndpoint(host); err != nil {
			return builder{}, fmt.Errorf("BUILDKIT_HOST: %w", err)
		}
		return builder{endpoint: host, release: func() {}}, nil
	}
	lease, err := daemon.Acquire(ctx, embedded)
	if err != nil {
		return builder{}, err
	}
	return builder{endpoint: lease.Endpoint(), written: lease.Written, release: func() { _ = lease.Release() }}, nil
}

// withEmulatorHint says what to install when a step is for a platform that the machine cannot run.
func withEmulatorHint(err error) error {
	var step *buildkit.StepError
	if !errors.As(err, &step) || !strings.Contains(strings.Join(append(step.Output, step.Reason), "\n"), "exec format error") {
		return err
	}
	pkg, missing := daemon.MissingEmulator(step.Step.Platform)
	if !missing {
		return err
	}
	return fmt.Errorf("%w\n%s cannot run on this machine: install %s (on Debian and Ubuntu: apt-get install %s), "+
		"or build for it on $BUILDPLATFORM", err, step.Step.Platform, pkg, pkg)
}
