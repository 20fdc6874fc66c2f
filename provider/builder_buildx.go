package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/buildx"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

// connectBuildx returns the builder that buildx knows by a name, which has one node.
func (f *builderFinder) connectBuildx(ctx context.Context, name string) (builder, error) {
	known, err := buildx.Open().Builder(ctx, name)
	if errors.As(err, new(*buildx.NotFoundError)) { // buildx has a builder of the name of each Docker context, too
		if a, contextErr := engine.InContext(ctx, name); contextErr == nil {
			return f.connectEngine(ctx, a)
		}
	}
	if err != nil {
		return builder{}, err
	}
	if len(known.Nodes) > 1 {
		return builder{}, &manyNodesError{name: name, nodes: len(known.Nodes)}
	}
	return f.connectNode(ctx, known, known.Nodes[0])
}

// manyNodesError is a buildx builder of several nodes where one builder is to be named.
type manyNodesError struct {
	name  string
	nodes int
}

// Error names the builder and says what to write instead.
func (e *manyNodesError) Error() string {
	return fmt.Sprintf("the buildx builder %s has %d nodes, and each of builders is one. Write the endpoints of its "+
		"nodes, or name it in builder.name of the image", e.name, e.nodes)
}

// connectNode returns the builder on a node of a buildx builder.
func (f *builderFinder) connectNode(
	ctx context.Context, known buildx.Builder, node buildx.Node,
) (b builder, err error) {
	switch known.Driver {
	case buildx.Remote:
		b, err = f.connectRemoteNode(ctx, node)
	case buildx.DockerContainer:
		b, err = f.connectContainerNode(ctx, node)
	case buildx.Kubernetes:
		b, err = f.connectPod(ctx, node)
	case buildx.Docker:
		b, err = f.connectDockerNode(ctx, node)
	default:
		err = &driverError{driver: known.Driver}
	}
	if err != nil {
		return builder{}, fmt.Errorf("the buildx builder %s: %w", known.Name, err)
	}
	b.reason = fmt.Sprintf("the buildx builder %s", known.Name)
	if known.Driver != buildx.Docker {
		b.prune = "docker buildx --builder " + known.Name + " prune"
	}
	return b, nil
}

// driverError says that a buildx builder has a driver that cannot be used.
type driverError struct{ driver string }

// Error names the driver.
func (e *driverError) Error() string { return fmt.Sprintf("its driver %q is not supported", e.driver) }

func (f *builderFinder) connectRemoteNode(ctx context.Context, node buildx.Node) (builder, error) {
	e, err := endpoint.Parse(node.Endpoint)
	if err != nil {
		return builder{}, err
	}
	var tls *endpoint.TLS
	if files, ok := node.TLS(); ok {
		given := &TLS{CA: &files.CA, Cert: &files.Cert, Key: &files.Key, ServerName: &files.ServerName}
		if tls, err = given.read(ctx); err != nil {
			return builder{}, err
		}
	}
	return f.connectDaemon(e, tls), nil
}

// nodeEngine returns the engine of a node: its endpoint is an address or the name of a Docker context.
func nodeEngine(ctx context.Context, node buildx.Node) (engine.Address, error) {
	if strings.Contains(node.Endpoint, "://") {
		return engine.AtHost(node.Endpoint), nil
	}
	return engine.InContext(ctx, node.Endpoint)
}

func (f *builderFinder) connectDockerNode(ctx context.Context, node buildx.Node) (builder, error) {
	a, err := nodeEngine(ctx, node)
	if err != nil {
		return builder{}, err
	}
	return f.connectEngine(ctx, a)
}

// connectContainerNode starts the container of a node if it was stopped. It makes none: "docker buildx inspect
// --bootstrap" does, with the options of the builder.
func (f *builderFinder) connectContainerNode(ctx context.Context, node buildx.Node) (builder, error) {
	a, err := nodeEngine(ctx, node)
	if err != nil {
		return builder{}, err
	}
	e, err := f.dialEngine(ctx, a)
	if err != nil {
		return builder{}, err
	}
	name := node.Container()
	started, err := e.StartContainer(ctx, name)
	if err != nil {
		_ = e.Close()
		return builder{}, err
	}
	if started {
		f.note("started the container " + name + ", which was stopped: it goes on running")
	}
	return builder{
		endpoint: "docker-container://" + name, release: func() { _ = e.Close() }, cores: e.Cores(ctx),
		connect: func(ctx context.Context) (*client.Client, error) { return e.BuildKitIn(ctx, name) },
	}, nil
}

func (f *builderFinder) connectPod(ctx context.Context, node buildx.Node) (builder, error) {
	address, err := node.Pod(ctx)
	if err != nil {
		return builder{}, err
	}
	e, err := endpoint.Parse(address)
	if err != nil {
		return builder{}, err
	}
	return f.connectDaemon(e, nil), nil
}
