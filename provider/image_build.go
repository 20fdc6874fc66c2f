package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// image is the result of buildImage.
type image struct {
	digest string // "" if nobody gets the image
	hash   string // of the inputs
	inputs *inputs.Inputs
	built  bool // whether the build succeeded
}

// buildImage builds the plan of the operation and pushes the image by digest to its repositories. It returns an error
// if the files are not those that a tag with {hash} names.
func buildImage(ctx context.Context, settings *settings, loader *inputsLoader, op operation) (image, error) {
	op.waits.enter(stageBuilding)
	in, err := loader.loadForBuild(ctx, op)
	if err != nil {
		return image{}, explainBuild(err)
	}
	if err := op.checkPinnedHashTag(in.Hash()); err != nil {
		return image{}, err
	}
	progress := startProgress(ctx)
	defer progress.stop()
	built := image{hash: in.Hash(), inputs: in}
	b, err := newImageBuild(ctx, settings, op, in, progress)
	if err != nil {
		return built, err
	}
	defer b.release()
	err = b.pushWithRetry(ctx)
	built.digest, built.built = b.built.Digest, err == nil
	if built.built {
		userWrittenExports().remember(op.exports, op.hash)
	}
	return built, b.explain(ctx, err)
}

// imageBuild is the build of one operation on a builder. It may solve several times, because a push may fail.
type imageBuild struct {
	settings *settings
	op       operation
	in       *inputs.Inputs
	progress *progress
	builder  builder
	release  func() // of the builder, and of the turn to build
	client   *registry.Client
	access   buildkit.Access

	built buildkit.Built
}

// newImageBuild waits for its turn and for the builder. The caller calls release.
func newImageBuild(
	ctx context.Context, settings *settings, op operation, in *inputs.Inputs, progress *progress,
) (*imageBuild, error) {
	turns := settings.builds.Load()
	if err := waitForTurn(ctx, turns, op.waits, progress); err != nil {
		return nil, err
	}
	builder, err := findBuilder(ctx, settings, op, progress)
	if err != nil {
		turns.release()
		return nil, explainBuilder(err)
	}
	b := &imageBuild{
		settings: settings,
		op:       op,
		in:       in,
		progress: progress,
		builder:  builder,
		release:  func() { builder.release(); turns.release() },
		client:   settings.registryClient(ctx, op.waits, op.keychain, op.args.pushLimit()),
	}
	b.access, err = newAccess(ctx, op, b.client, func(ctx context.Context) (engine.Address, error) {
		return builder.loadTarget(ctx, settings.configuration())
	})
	err = cmp.Or(err, checkMachineNetwork(builder, op.plan), checkBuilderLimits(builder, op.plan.Limits))
	if err == nil {
		err = b.resolveGateway(ctx)
	}
	if err != nil {
		b.release()
		return nil, err
	}
	b.access.Proxies = stepProxies(ctx, settings, op, builder, progress.log.warn)
	warnOfProxies(builder, op.plan, b.access.Proxies, progress.log.warn)
	b.access.Log = newDebugLog(ctx)
	b.access.StallTimeout = cmp.Or(settings.stallTimeout, op.args.stallTimeout())
	b.access.BytesWritten = buildkit.WriteCounter(ctx, builder.endpoint)
	b.access.BytesRead = buildkit.ReadCounter(ctx, builder.endpoint)
	if builder.guarded {
		b.access.Guard = settings.guard(op.args, op.inputs)
	}
	return b, nil
}

// findBuilder returns the builder of the image. The caller releases it.
func findBuilder(ctx context.Context, settings *settings, op operation, progress *progress) (builder, error) {
	finder := &builderFinder{
		input:     op.args.Builder,
		config:    settings.configuration(),
		platforms: op.plan.Platforms,
		hosts:     func(ctx context.Context) []string { return registryHosts(ctx, op, settings.configuration()) },
		embedded: daemon.Options{
			Note: progress.showNote, Registries: daemonRegistries(op.keychain), Log: newDebugLog(ctx),
		},
		log:   newDebugLog(ctx),
		note:  progress.showNote,
		begin: op.waits.begin,
		sayOnce: func(line string) {
			if settings.isFirst(line) {
				progress.log.infof("%s", line)
			}
		},
	}
	return finder.find(ctx)
}

// waitForTurn waits until one more image may build.
func waitForTurn(ctx context.Context, turns *semaphore, w *waits, progress *progress) error {
	end := func() {}
	defer func() { end() }()
	return turns.acquire(ctx, func() {
		progress.showNote("waiting: as many images build as maxParallelBuilds allows")
		end = w.begin("waiting for its turn, as many images build as maxParallelBuilds allows,")
	})
}

// pushWithRetry builds and pushes, as often as the client allows. The daemon keeps what it has built, so only the push
// is repeated.
func (b *imageBuild) pushWithRetry(ctx context.Context) error {
	for retry := b.client.PushRetry(); ; {
		err := b.buildOnce(ctx)
		if stalled, ok := errors.AsType[*buildkit.StalledCacheError](err); ok {
			if err = b.dropCaches(stalled); err == nil {
				err = b.buildOnce(ctx)
			}
		}
		if err == nil {
			return nil
		}
		pause, err := retry.Next(ctx, daemonError(err))
		if err != nil {
			return err
		}
		if line := pause.String(); line != "" {
			b.progress.showNote(line)
		}
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}

// buildOnce dials the daemon and solves.
//
// It dials each time, because a push that got stuck may have cost the connection. A further solve uses the cache even
// under noCache and noCacheFilter: only the push is left to do.
func (b *imageBuild) buildOnce(ctx context.Context) error {
	daemon, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = daemon.Close() }()
	b.built, err = buildkit.Solve(ctx, daemon, b.op.plan, b.in, b.access, b.report)
	b.op.plan.NoCache, b.op.plan.NoCacheOf = false, nil
	return withTargetOfBuild(err)
}

func (b *imageBuild) connect(ctx context.Context) (*client.Client, error) {
	defer b.op.waits.begin("waiting for the BuildKit daemon at " + b.builder.endpoint + " to answer")()
	return b.builder.connect(ctx)
}

// report passes an event of the build on to the progress.
func (b *imageBuild) report(e buildkit.Event) {
	if e.Kind == buildkit.Pushing {
		b.op.waits.notePush()
		if b.op.onPush != nil {
			b.op.onPush()
		}
		return
	}
	b.progress.report(e)
}

// dropCaches removes the cache exports, one of which did not answer. It returns an error if the program does not
// ignore the errors of all of them. An inline cache stays, because it is written with the image.
func (b *imageBuild) dropCaches(stalled error) error {
	isInline := func(c buildkit.Cache) bool { return c.Type == "inline" }
	for _, c := range b.access.CacheTo {
		if c.Options["ignore-error"] != "true" && !isInline(c) {
			return fmt.Errorf("cacheTo: %w; look at the registry or the storage that it goes to, or set ignoreError "+
				"for it", stalled)
		}
	}
	b.progress.log.warnf("cacheTo: %v; built without", stalled)
	b.access.CacheTo = slices.DeleteFunc(b.access.CacheTo, func(c buildkit.Cache) bool { return !isInline(c) })
	return nil
}

// explain adds to the error of a build what to do about it.
func (b *imageBuild) explain(ctx context.Context, err error) error {
	err = explainPlatform(ctx, b.settings, b.op, explainBuild(err))
	err = explainRefusal(explainContext(explainDisk(b.builder, err)), b.settings.configuration())
	return explainNetwork(ctx, b.builder, b.op.plan, explainLimits(b.op.plan.Limits, err))
}

// daemonError returns the error of a build as package registry reads it: without what a step printed and what the
// Dockerfile says.
func daemonError(err error) error {
	if pushed, ok := errors.AsType[*buildkit.PushError](err); ok {
		return &registry.DaemonError{
			Repository: pushed.Repository, Text: pushed.Text, Stalled: pushed.Stalled, Cause: err,
		}
	}
	if base, ok := errors.AsType[*buildkit.BaseImageError](err); ok {
		return &registry.DaemonError{Text: base.Text, Cause: err}
	}
	if step, ok := errors.AsType[*buildkit.StepError](err); ok && step.ExitCode == 0 {
		return &registry.DaemonError{Text: step.Reason, Cause: err}
	}
	if other, ok := errors.AsType[*buildkit.DaemonError](err); ok {
		return &registry.DaemonError{Text: other.Text, Cause: err}
	}
	return err
}
