package provider

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

const (
	// sharedLayerBytes is the size from which on a push waits for another one that sends the same layer.
	sharedLayerBytes = 256 << 10
	// sharedLayerLimit bounds how long a push waits for others. After it the layers are sent twice.
	sharedLayerLimit = 10 * time.Minute
)

// sharesLayers tells whether the image waits for others that push the same layers. Only pushes of one builder are known
// to come from one build cache, and only the embedded daemon reaches this process.
func (b *imageBuild) sharesLayers() bool {
	return b.builder.isEmbedded() && b.settings.shares.hasSeveral()
}

// beginPush waits until no image of this run is pushing a layer that this one is about to push to the same registry.
func (b *imageBuild) beginPush(ctx context.Context, blobs []buildkit.Blob) {
	shares := &b.settings.shares
	b.endPush(false)
	b.push = shares.join(b.sharedLayers(blobs))
	late := fmt.Errorf("another image took longer than %s to push the same layers", sharedLayerLimit)
	ctx, stop := context.WithTimeoutCause(ctx, sharedLayerLimit, late)
	defer stop()
	shares.wait(ctx, b.push, func(layer string) bool { return b.hasLayer(ctx, layer) }, func() (end func()) {
		newDebugLog(ctx).DebugContext(ctx, "the push waits for another image with the same layers")
		const doing = "waiting for another image of this update to push the same layers"
		endWait, endTime := b.op.waits.begin(doing), b.op.times.begin(doing)
		return func() { endWait(); endTime() }
	})
}

// endPush ends the push of a solve, if one has begun.
func (b *imageBuild) endPush(succeeded bool) {
	if b.push != nil {
		b.settings.shares.end(b.push, succeeded)
		b.push = nil
	}
}

// sharedLayers returns what layerShares calls the layers of an image that are worth a wait.
func (b *imageBuild) sharedLayers(blobs []buildkit.Blob) (layers []string) {
	hosts := map[string]bool{}
	for _, repository := range b.op.plan.Repositories {
		host, _, _ := strings.Cut(repository, "/")
		if hosts[host] {
			continue
		}
		hosts[host] = true
		for _, blob := range blobs {
			if blob.Size < 0 || blob.Size >= sharedLayerBytes {
				layers = append(layers, layerName(host, blob.Digest))
			}
		}
	}
	return layers
}

// layerName returns the name of a layer in a registry, or in one repository of it.
func layerName(place, digest string) string { return place + " " + digest }

// hasLayer tells whether the repositories of the image in a registry have a layer. It returns false if nobody knows.
func (b *imageBuild) hasLayer(ctx context.Context, layer string) bool {
	host, digest, _ := strings.Cut(layer, " ")
	for _, repository := range b.op.plan.Repositories {
		_, isPresent := b.present.Load(layerName(repository, digest))
		if isPresent || !strings.HasPrefix(repository, host+"/") {
			continue
		}
		if has, err := b.op.client.HasBlob(ctx, repository, digest); err != nil || !has {
			return false
		}
	}
	return true
}
