package provider

import (
	"context"
	"errors"
	"io"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// sendRefused sends the layers of the image if the push failed because the registry refused something with 403, and the
// daemon asks it to mount one of them. It returns true if a push may succeed now. It does so once for each repository,
// and not for a builder that may lose the layers.
//
// A daemon notes to which repositories it has pushed a layer, and asks the registry to mount the layer from there.
// After an answer of 401 or 202 it sends the layer. After a 403 the push fails.
func (b *imageBuild) sendRefused(ctx context.Context, failure error) bool {
	pushed, ok := errors.AsType[*buildkit.PushError](failure)
	if !ok || b.sentTo[pushed.Repository] || ctx.Err() != nil || !b.builder.servesUnpushed() {
		return false
	}
	if !errors.Is(b.client.ExplainPush(daemonError(failure)), fault.ErrDenied) {
		return false
	}
	if b.sentTo == nil {
		b.sentTo = map[string]bool{}
	}
	b.sentTo[pushed.Repository] = true
	const doing = "sending layers that the registry does not mount"
	defer b.op.waits.begin(doing)()
	defer b.op.times.begin(doing)()
	count, err := b.sendLayers(ctx, pushed.Repository)
	logger := newDebugLog(ctx).With("repository", pushed.Repository, "count", count)
	if err != nil {
		logger.DebugContext(ctx, "layers not sent after a push that was denied", "reason", err.Error())
		return false
	}
	logger.DebugContext(ctx, "layers sent after a push that was denied")
	return count > 0
}

// sendLayers sends the layers of the image to a repository, if the daemon would have the registry mount one of them. It
// returns how many there are.
func (b *imageBuild) sendLayers(ctx context.Context, repository string) (count int, err error) {
	daemon, err := b.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = daemon.Close() }()
	plan, access := b.op.plan, b.access
	plan.Repositories, plan.Insecure, plan.StoreNames, plan.TestTargets = nil, nil, nil, nil
	plan.Provenance, plan.SBOM = "", ""
	access.Exports, access.CacheTo, access.MountBases, access.BeginPush = nil, nil, nil, nil
	access.KeepUnpushed = true
	built, err := buildkit.Solve(ctx, daemon, plan, b.in, access, func(buildkit.Event) {})
	if err != nil {
		return 0, err
	}
	if built.Unpushed == nil {
		return 0, errors.New("the daemon does not tell the layers of the image")
	}
	layers, err := buildkit.LayersOfMount(ctx, daemon, built.Unpushed, repository)
	for _, layer := range layers {
		if err == nil {
			err = b.client.SendBlob(ctx, repository, layer, func(ctx context.Context) (io.ReadCloser, error) {
				return buildkit.OpenLayer(ctx, daemon, layer)
			})
		}
	}
	return len(layers), err
}
