package provider

import (
	"context"
	"fmt"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

// loadType returns the exporter whose archives an engine loads. An image of several platforms, or one with
// attestations, has an index. Only the exporter oci writes one, and only the containerd image store holds it.
func loadType(ctx context.Context, op operation, into loadTargetFunc) (string, error) {
	if !op.plan.IsIndex() || into == nil {
		return "docker", nil
	}
	address, err := into(ctx)
	if err != nil {
		return "", err
	}
	e, err := engine.Dial(ctx, address)
	if err != nil {
		return "", err
	}
	defer func() { _ = e.Close() }()
	holds, err := e.HoldsIndexes(ctx)
	if err == nil && !holds {
		err = fmt.Errorf("the image cannot be loaded: it is an index, of several platforms or with attestations, and "+
			"the Docker Engine at %s keeps images in its classic store, which holds no index. Turn on the containerd "+
			"image store of the engine, or build an Image of one platform to load", address.Host)
	}
	return "oci", err
}
