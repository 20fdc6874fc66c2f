package provider

import (
	"cmp"
	"context"
	"os"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/buildx"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

// choice is a builder that the program or the environment names.
type choice struct {
	source  string // the variable or command that names it; "" for an input
	address string // an endpoint, or ""
	tls     *TLS
	buildx  string // the name of a buildx builder, or ""
	engine  *engine.Address
	nodes   []BuilderNode // several builders of the provider's configuration
}

// name returns where the choice comes from, for people.
func (c *choice) name() string {
	switch {
	case c.source != "":
		return c.source
	case c.buildx != "":
		return "the buildx builder " + c.buildx
	}
	return "the builders of the provider"
}

// explain adds to an error which variable or command led to it.
func (c *choice) explain(err error) error {
	if err == nil || c.source == "" {
		return err
	}
	return &sourceError{source: c.source, cause: err}
}

// sourceError is an error about a builder that a variable or a command names.
type sourceError struct {
	source string
	cause  error
}

// Error names the variable or command before the cause.
func (e *sourceError) Error() string { return e.source + ": " + e.cause.Error() }

// Unwrap returns the cause.
func (e *sourceError) Unwrap() error { return e.cause }

// choice returns the builder that the program or the environment names, or nil.
func (f *builderFinder) choice(ctx context.Context) (*choice, error) {
	if b := f.input; b != nil && deref(b.Endpoint) != "" {
		return &choice{source: "", address: *b.Endpoint, tls: b.TLS}, nil
	}
	if b := f.input; b != nil && deref(b.Name) != "" {
		return &choice{source: "", buildx: *b.Name}, nil
	}
	if host := strings.TrimSpace(deref(f.config.Host)); host != "" {
		return &choice{source: "", address: host, tls: f.config.TLS}, nil
	}
	if len(f.config.Builders) > 0 {
		return &choice{nodes: f.config.Builders}, nil
	}
	if host := os.Getenv("BUILDKIT_HOST"); host != "" {
		return &choice{source: "BUILDKIT_HOST", address: host}, nil
	}
	return f.dockerChoice(ctx)
}

// dockerChoice returns the builder that the environment or docker buildx use chooses for the docker command, or nil.
func (f *builderFinder) dockerChoice(ctx context.Context) (*choice, error) {
	if os.Getenv("DOCKER_HOST") != "" || os.Getenv("DOCKER_CONTEXT") != "" {
		a, err := engine.Current(ctx)
		return &choice{source: a.Source, engine: &a}, err
	}
	if name := os.Getenv("BUILDX_BUILDER"); name != "" {
		return &choice{source: "BUILDX_BUILDER", buildx: name}, nil
	}
	a, err := engine.Current(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // nobody named an engine: discover tells why this one is none
	}
	key := a.Context
	if key == "default" {
		key = a.Host
	}
	name, err := buildx.Open().Current(ctx, key)
	if name == "" || err != nil {
		return nil, err
	}
	return &choice{source: "docker buildx use", buildx: name}, nil
}

// connectChoice connects to a builder that the program or the environment names.
func (f *builderFinder) connectChoice(ctx context.Context, c *choice, err error) (b builder, _ error) {
	switch {
	case err != nil:
		return builder{}, err
	case len(c.nodes) > 0:
		b, err = f.nodeCandidate(c.nodes[0]).connect(ctx)
	case c.buildx != "":
		b, err = f.connectBuildx(ctx, c.buildx)
	case c.engine != nil:
		b, err = f.connectEngine(ctx, *c.engine)
	default:
		b, err = f.connectAddress(ctx, c)
	}
	b.reason = cmp.Or(b.reason, c.source)
	return b, c.explain(err)
}

// connectAddress connects to the builder at the address of a choice.
func (f *builderFinder) connectAddress(ctx context.Context, c *choice) (builder, error) {
	e, err := endpoint.Parse(c.address)
	if err != nil {
		return builder{}, err
	}
	switch e.Kind() {
	case endpoint.Embedded:
		return f.startEmbedded(ctx)
	case endpoint.Engine:
		a, err := engineAddress(ctx, e, c.tls)
		if err != nil {
			return builder{}, err
		}
		return f.connectEngine(ctx, a)
	}
	tls, err := c.tls.read(ctx)
	if err != nil {
		return builder{}, err
	}
	return f.connectDaemon(e, tls), nil
}

// engineAddress returns the engine that an endpoint names, with the certificates for its address.
func engineAddress(ctx context.Context, e endpoint.Endpoint, given *TLS) (engine.Address, error) {
	name, isContext := e.DockerContext()
	switch {
	case isContext && name == "":
		return engine.Current(ctx)
	case isContext:
		return engine.InContext(ctx, name)
	}
	a := engine.AtHost(e.String())
	certificates, err := given.read(ctx)
	if err == nil && certificates != nil && e.IsTCP() {
		a.TLS, err = certificates.Config()
	}
	return a, err
}
