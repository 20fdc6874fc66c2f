package provider

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
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

	builds *finishedBuilds // what is left to do on the builders; see exportCaches

	unpushed unpushedImage // for builds on this image; zero if there can be none
}

// release releases the builders. Nothing more can be done on them.
func (i image) release() { i.builds.release() }

// buildImage builds the plan of the operation and pushes the image by digest to its repositories. It returns an error
// if the files are not those that a tag with {hash} names. The caller releases the image, unless there is an error.
func buildImage(ctx context.Context, settings *settings, loader *inputsLoader, op operation) (image, error) {
	op.waits.enter(stageBuilding)
	in, err := loader.loadForBuild(ctx, op)
	if err != nil {
		return image{}, explainBuildInputs(op.inputs, err)
	}
	if err := op.checkPinnedHashTag(in.Hash()); err != nil {
		return image{}, err
	}
	progress := startProgress(ctx)
	defer progress.stop()
	built := image{hash: in.Hash(), inputs: in}
	built.builds = &finishedBuilds{}
	job := imageJob{
		settings: settings, op: op, in: in, progress: progress, finished: built.builds, kept: &built.unpushed,
	}
	if built.digest, err = job.build(ctx); err != nil {
		built.release()
		return built, err
	}
	warnOfUnknownMounts(job)
	built.built = true
	userWrittenExports().remember(op.exports, op.hash)
	return built, nil
}

// imageBuild is the build of a job on one node. It may solve several times, because a push may fail.
type imageBuild struct {
	imageJob
	builder builder
	client  *registry.Client
	access  buildkit.Access

	built buildkit.Built
	// spaceFreed: the cache that no build uses was removed from a full disk, which is tried once.
	spaceFreed bool
	// basesMounted: the layers of the base images were mounted, which is tried once.
	basesMounted bool
	push         *layerPush // of the solve that runs; nil: none has begun
	present      *sync.Map  // the layers that repositories of the image have
	// sentTo are the repositories that sendRefused sent layers to.
	sentTo map[string]bool
}

// newImageBuild prepares the build of a job on a builder. It returns an error if the builder cannot do what the job
// needs.
func newImageBuild(ctx context.Context, job imageJob, on builder) (*imageBuild, error) {
	settings, op, progress := job.settings, job.op, job.progress
	b := &imageBuild{
		imageJob: job,
		builder:  on,
		present:  &sync.Map{},
		client:   settings.registryClient(ctx, op.waits, op.keychain, op.args.pushLimit()),
	}
	var err error
	b.access, err = newAccess(ctx, op, b.client, func(ctx context.Context) (engine.Address, error) {
		return on.loadTarget(ctx, settings.configuration())
	})
	var errBases error
	b.access.Secrets = settings.secrets.watch(b.access.Secrets)
	b.access.UnpushedBases, errBases = unpushedOn(on, op.awaitedBases)
	b.access.KeepUnpushed = job.keepsUnpushed() && on.servesUnpushed()
	err = cmp.Or(err, errBases, checkMachineNetwork(on, op.plan), checkBuilderLimits(on, op.plan.Limits))
	if err == nil {
		err = b.resolveGateway(ctx)
	}
	if err != nil {
		return nil, err
	}
	b.chooseCaches(ctx)
	b.access.CacheMounts = b.cacheMounts(ctx)
	b.access.Proxies = stepProxies(ctx, settings, op, on, progress.log.warn)
	warnOfProxies(on, op.plan, b.access.Proxies, progress.log.warn)
	b.access.Log = newDebugLog(ctx)
	b.access.StallTimeout = cmp.Or(settings.stallTimeout, op.args.stallTimeout())
	b.access.Silence = settings.silence
	b.access.MountBases = b.mountBases
	b.access.BytesWritten = buildkit.WriteCounter(ctx, on.endpoint)
	b.access.BytesRead = buildkit.ReadCounter(ctx, on.endpoint)
	if on.guarded {
		b.access.Guard = settings.guard(op.args, op.inputs)
	}
	return b, nil
}

// chooseCaches sets the caches of a job. Test targets write none. ExportCaches writes those that are not inline.
func (b *imageBuild) chooseCaches(ctx context.Context) {
	from, to := b.access.CacheFrom, b.access.CacheTo
	if b.testsOnly {
		to = nil
	}
	switch {
	case b.platform != "":
		from, to = cachesOfPlatform(from, to, b.platform)
	case len(b.op.plan.Platforms) > 1:
		from = withCachesOfNodes(ctx, b.client, from, b.op.plan.Platforms)
	}
	b.access.CacheFrom, b.access.CacheTo = from, to
}

// pushWithRetry builds and pushes, as often as the client allows. The daemon keeps what it has built, so only the push
// is repeated.
func (b *imageBuild) pushWithRetry(ctx context.Context) error {
	for retry := b.client.PushRetry(); ; {
		err := b.buildWithSpace(ctx)
		if err == nil {
			return nil
		}
		if b.sendRefused(ctx, err) {
			continue
		}
		pause, err := retry.Next(ctx, daemonError(err))
		if err != nil {
			return err
		}
		if line := pause.String(); line != "" {
			b.progress.showNote(line)
		}
		ends := b.op.times.begin("waiting to push again")
		if err := pause.Wait(ctx); err != nil {
			return err
		}
		ends()
	}
}

// buildOnce dials the daemon and solves.
//
// It dials each time, because a push that got stuck may have cost the connection. After a solve that has built the
// image, a further one uses the cache even under noCache and noCacheFilter: at most the push is left to do.
func (b *imageBuild) buildOnce(ctx context.Context) error {
	daemon, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = daemon.Close() }()
	defer b.endPush(false) // after a panic
	b.warnOfVersion(ctx, daemon)
	if b.sharesLayers() { // asked late, because the engine asks for one image after the other
		b.access.BeginPush = b.beginPush
	}
	b.built, err = buildkit.Solve(ctx, daemon, b.op.plan, b.in, b.access, b.report)
	b.endPush(err == nil)
	b.noteTime(err == nil && b.emulatesLongest(ctx, daemon))
	if err == nil || errors.As(err, new(*buildkit.PushError)) {
		b.op.plan.NoCache, b.op.plan.NoCacheOf = false, nil
	}
	return withTargetOfBuild(err)
}

func (b *imageBuild) connect(ctx context.Context) (*client.Client, error) {
	defer b.op.waits.begin(waitForDaemon(b.builder))()
	return b.builder.connect(ctx)
}

// waitForDaemon says what is waited for while a builder is dialed.
func waitForDaemon(b builder) string {
	return "waiting for the BuildKit daemon at " + b.endpoint + " to answer"
}

// report passes an event of the build on to the progress.
func (b *imageBuild) report(e buildkit.Event) {
	if e.Kind == buildkit.Pushing {
		b.op.waits.notePush()
		b.endBuildTurn()
		if b.op.onPush != nil && b.platform == "" {
			b.op.onPush()
		}
		return
	}
	b.progress.report(e)
}

// endBuildTurn ends the turn on the builder, unless it covers the push.
func (b *imageBuild) endBuildTurn() {
	if !b.settings.turns.Load().coverPush() {
		b.endTurn()
	}
}

// explain adds to the error of a build what to do about it.
func (b *imageBuild) explain(ctx context.Context, err error) error {
	err = explainPlatform(ctx, b.settings, b.op, explainBuild(err))
	err = explainLost(b.builder, explainDisk(b.builder, err))
	err = explainRefusal(explainContext(err), b.settings.configuration())
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
