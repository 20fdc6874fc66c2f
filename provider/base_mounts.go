package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// mountLimit bounds how long a push waits for the registry to mount layers. Without an answer the layers are sent.
const mountLimit = 30 * time.Second

// mountBases has the registries mount the layers of base images into the repositories of the image, once for each
// build. Layers that are not mounted are sent: it returns no error.
func (b *imageBuild) mountBases(ctx context.Context, bases []buildkit.BaseImage) {
	if b.basesMounted {
		return
	}
	b.basesMounted = true
	const doing = "asking the registry to mount the layers of the base image"
	defer b.op.waits.begin(doing)()
	defer b.op.times.begin(doing)()
	late := fmt.Errorf("the registry took longer than %s", mountLimit)
	ctx, stop := context.WithTimeoutCause(ctx, mountLimit, late)
	defer stop()
	for _, repository := range b.op.plan.Repositories {
		for _, base := range bases {
			if base.IsBeside(repository) {
				b.mountBase(ctx, repository, base)
			}
		}
	}
}

// mountBase has the registry mount the layers of one base image, and logs what came of it.
func (b *imageBuild) mountBase(ctx context.Context, repository string, base buildkit.BaseImage) {
	layers, err := b.client.MountLayers(ctx, &b.settings.mounts, registry.MountRequest{
		Repository: repository, From: base.Repository, Digest: base.Digest, Platform: base.Platform,
	})
	logger := newDebugLog(ctx).With("repository", repository, "from", base.Repository, "platform", base.Platform)
	for _, layer := range layers {
		b.present.Store(repository+"@"+layer, true)
	}
	if err != nil {
		logger.DebugContext(ctx, "layers of the base image not mounted", "count", len(layers), "reason", err.Error())
		return
	}
	logger.DebugContext(ctx, "layers of the base image mounted", "count", len(layers))
}
