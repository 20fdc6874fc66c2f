package provider

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

const (
	// sharedLayerBytes is the size from which on a push waits for another one that sends the same layer.
	sharedLayerBytes = 256 << 10
	// sharedLayerLimit and sharedLayerSpeed, in bytes per second, bound how long a push waits for layers of others.
	// After that the layers are sent twice. Where a registry takes less, a second copy would slow the first one down.
	sharedLayerLimit = 2 * time.Minute
	sharedLayerSpeed = 1 << 20
)

// sharesLayers tells whether the image waits for others that push the same layers. Only pushes of one builder are known
// to come from one build cache, and only the embedded daemon reaches this process.
func (b *imageBuild) sharesLayers() bool {
	return b.builder.isEmbedded() && b.settings.shares.hasSeveral()
}

// beginPush waits until no image of this run is pushing a layer that this one is about to push to the same registry. It
// has the registry mount the layers that others have pushed.
func (b *imageBuild) beginPush(ctx context.Context, blobs []buildkit.Blob) {
	b.endPush(false)
	b.endBuildTurn()
	b.push = b.newLayerPush(blobs)
	b.settings.shares.join(b.push)
	limit := sharedLayerLimit + time.Duration(b.awaitedBytes(blobs)/sharedLayerSpeed)*time.Second
	late := fmt.Errorf("another image took longer than %s to push the same layers", limit)
	ctx, stop := context.WithTimeoutCause(ctx, limit, late)
	defer stop()
	wait := layerWait{
		shares: &b.settings.shares, push: b.push, fetch: b.fetchLayer, isUseless: b.isMountUseless,
		begin: func() (end func()) {
			newDebugLog(ctx).DebugContext(ctx, "the push waits for another image with the same layers")
			const doing = "waiting for another image of this update to push the same layers"
			endWait, endTime := b.op.waits.begin(doing), b.op.times.begin(doing)
			return func() { endWait(); endTime() }
		},
	}
	wait.run(ctx)
}

// endPush ends the push of a solve, if one has begun.
func (b *imageBuild) endPush(succeeded bool) {
	if b.push != nil {
		b.settings.shares.end(b.push, succeeded)
		b.push = nil
	}
}

// isMountUseless tells whether the registry is known not to mount from one of its repositories into another one.
func (b *imageBuild) isMountUseless(from, to string) bool {
	host, _, _ := strings.Cut(to, "/")
	return b.settings.mounts.RefusesAll(host) || b.settings.mounts.IsRefused(from, to)
}

// awaitedBytes returns the size of those blobs that pushes before this one bring, in all registries.
func (b *imageBuild) awaitedBytes(blobs []buildkit.Blob) (bytes int64) {
	for host := range b.push.repositories {
		for _, blob := range blobs {
			layer := sharedLayer{host, blob.Digest}
			if b.push.layers[layer] && b.settings.shares.bringer(b.push, layer) != nil {
				bytes += max(blob.Size, 0)
			}
		}
	}
	return bytes
}

// newLayerPush returns the push of blobs, with the layers that are worth a wait.
func (b *imageBuild) newLayerPush(blobs []buildkit.Blob) *layerPush {
	push := &layerPush{layers: map[sharedLayer]bool{}, repositories: map[string]string{}, has: b.hasLayer}
	for _, repository := range b.op.plan.Repositories {
		host, _, _ := strings.Cut(repository, "/")
		if push.repositories[host] != "" {
			continue
		}
		push.repositories[host] = repository
		for _, blob := range blobs {
			if blob.Size < 0 || blob.Size >= sharedLayerBytes {
				push.layers[sharedLayer{host, blob.Digest}] = true
			}
		}
	}
	return push
}

// hasLayer tells whether a repository has a layer. It returns false if nobody knows.
func (b *imageBuild) hasLayer(ctx context.Context, repository, digest string) bool {
	if _, isPresent := b.present.Load(repository + "@" + digest); isPresent {
		return true
	}
	has, err := b.client.HasBlob(ctx, repository, digest)
	return err == nil && has
}

// fetchLayer gives the repositories of the image in one registry a layer, which these other repositories may have. It
// returns the first repository if all of them have the layer now, and "" otherwise: the daemon sends it.
func (b *imageBuild) fetchLayer(ctx context.Context, layer sharedLayer, places []string) (first string) {
	for _, repository := range b.op.plan.Repositories {
		if !strings.HasPrefix(repository, layer.host+"/") {
			continue
		}
		if !b.hasLayer(ctx, repository, layer.digest) && !b.mountLayer(ctx, repository, layer.digest, places) {
			return ""
		}
		if first == "" {
			first = repository
		}
	}
	return first
}

// mountLayer has the registry mount a layer from one of several repositories, and logs what came of it.
func (b *imageBuild) mountLayer(ctx context.Context, repository, digest string, places []string) bool {
	for _, from := range places {
		if from == repository {
			continue
		}
		err := b.client.MountLayer(ctx, &b.settings.mounts, repository, from, digest)
		logger := newDebugLog(ctx).With("repository", repository, "from", from, "digest", digest)
		if err == nil {
			logger.DebugContext(ctx, "layer of another image mounted")
			return true
		}
		logger.DebugContext(ctx, "layer of another image not mounted", "reason", err.Error())
		if !errors.Is(err, registry.ErrNotMounted) {
			return false
		}
	}
	return false
}
