package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// imageJob builds an image, or one platform of it. Several nodes may take part.
type imageJob struct {
	settings *settings
	op       operation
	in       *inputs.Inputs
	progress *progress

	platform  string // that this part of the image is for; "": the whole image
	testsOnly bool   // only the test targets are built

	finished *finishedBuilds // gets the builders and the builds
	kept     *unpushedImage  // gets the image of a preview

	endTurn func() // ends the turn on the builder; nil: the job has none yet
}

// build finds the nodes, builds on them and pushes the image by digest. It returns the digest; "" if nobody gets the
// image, or if the index cannot be known.
func (j imageJob) build(ctx context.Context) (string, error) {
	nodes, err := j.findNodes(ctx)
	if err != nil {
		return "", explainBuilder(err)
	}
	built, err := j.run(ctx, nodes, true)
	return built.Digest, err
}

// findNodes returns the builders of the job with their platforms. They are released with j.finished.
func (j imageJob) findNodes(ctx context.Context) ([]node, error) {
	op, settings := j.op, j.settings
	finder := &builderFinder{
		input:     op.args.Builder,
		config:    settings.configuration(),
		image:     string(op.urn.Project()) + "/" + op.urn.Name(),
		dialLimit: settings.dialLimit,
		platforms: op.plan.Platforms,
		whole:     op.whole,
		answers:   &settings.nodes,
		hosts:     func(ctx context.Context) []string { return registryHosts(ctx, op, settings.configuration()) },
		embedded: daemon.Options{
			Note: j.progress.showNote, Warn: func(line string) { j.progress.log.warnf("%s", line) },
			Registries: daemonRegistries(op.keychain, settings.configuration().mirrors()), Log: newDebugLog(ctx),
		},
		log:   newDebugLog(ctx),
		note:  j.progress.showNote,
		begin: op.waits.begin,
		sayOnce: func(line string) {
			if settings.isFirst(line) {
				j.progress.log.infof("%s", line)
			}
		},
		warnOnce: func(line string) {
			if settings.isFirst(line) {
				j.progress.log.warnf("%s", line)
			}
		},
	}
	defer op.times.begin("finding a builder")()
	nodes, err := finder.find(ctx)
	j.finished.keep(nodes)
	return nodes, err
}

// run builds on the nodes. If a daemon ends meanwhile, and again is true, it looks for nodes once more and tries again:
// no tag has moved yet, and the daemons keep what they have built.
func (j imageJob) run(ctx context.Context, nodes []node, again bool) (buildkit.Built, error) {
	if len(nodes) > 1 {
		return j.runParts(ctx, nodes, again)
	}
	if err := j.takeTurn(ctx, nodes[0].builder); err != nil {
		return buildkit.Built{}, err
	}
	defer j.endTurn()
	built, err := j.runOn(ctx, nodes[0].builder)
	isLostDaemon := errors.As(err, new(*buildkit.LostDaemonError)) && !nodes[0].isEmbedded()
	if err != nil && (nodes[0].isOneOfSeveral || isLostDaemon) {
		err = fmt.Errorf("on %s: %w", nodes[0].name(), err)
	}
	if !again || !isLost(ctx, nodes[0], err) && !leaveDamaged(nodes[0], err) {
		return built, err
	}
	return j.runAgain(ctx, nodes[0], err)
}

// takeTurn waits for a turn of the job on a builder, unless it shares one with other parts of the image.
func (j *imageJob) takeTurn(ctx context.Context, on builder) (err error) {
	if j.endTurn != nil {
		return nil
	}
	endWait, endTime := func() {}, func() {}
	defer func() { endWait(); endTime() }()
	j.endTurn, err = j.settings.turns.Load().take(ctx, on, func(reason string) {
		j.progress.showNote("waiting for its turn: " + reason)
		endWait = j.op.waits.begin("waiting for its turn, because " + reason + ",")
		endTime = j.op.times.beginWith("waiting for its turn", turnSetting(j.settings.configuration()))
	})
	return err
}

// runOn builds the job on one builder.
func (j imageJob) runOn(ctx context.Context, on builder) (buildkit.Built, error) {
	b, err := newImageBuild(ctx, j, on)
	if err != nil {
		return buildkit.Built{}, err
	}
	if err = b.pushWithRetry(ctx); err == nil {
		b.keepUnpushed(ctx)
		j.finished.add(b)
	}
	return b.built, b.explain(ctx, err)
}

// runParts builds each platform on its node, all at once, and pushes the index. One failure stops the others. Nothing
// is pushed before the test targets of all platforms are built.
func (j imageJob) runParts(ctx context.Context, nodes []node, again bool) (buildkit.Built, error) {
	if len(j.op.plan.TestTargets) > 0 {
		if _, err := j.tests().runEach(ctx, nodes, again); err != nil {
			return buildkit.Built{}, err
		}
		j.op.plan.TestTargets = nil
	}
	parts, err := j.runEach(ctx, nodes, again)
	if err != nil || j.op.plan.WithoutImage {
		return buildkit.Built{}, err
	}
	if j.op.onPush != nil { // now, because a login may be good only for a repository that exists
		j.op.onPush()
	}
	return j.pushIndex(ctx, parts)
}

// runEach builds each platform on its node. The image has one turn on each node. It returns the results in the order of
// the platforms in the plan.
func (j imageJob) runEach(ctx context.Context, nodes []node, again bool) ([]buildkit.Built, error) {
	wanted := j.op.plan.Platforms
	parts := make([]buildkit.Built, len(wanted))
	group, bounded := errgroup.WithContext(ctx)
	for _, n := range nodes {
		rescue.GoErrGroup(group, func() error {
			onNode := j
			if err := onNode.takeTurn(bounded, n.builder); err != nil {
				return err
			}
			ends := shareTurn(onNode.endTurn, len(n.platforms))
			for i, platform := range n.platforms {
				rescue.GoErrGroup(group, func() error {
					part := j.forPlatform(platform)
					part.endTurn = ends[i]
					built, err := part.run(bounded, []node{n}, again)
					parts[slices.Index(wanted, platform)] = built
					return err
				})
			}
			return nil
		})
	}
	return parts, group.Wait()
}

// forPlatform returns the job of one platform.
func (j imageJob) forPlatform(platform string) imageJob {
	j.platform = platform
	j.op.platforms = []string{platform}
	j.op.plan = buildkit.PlanFor(j.op.plan, platform)
	return j
}

// tests returns the job that builds the test targets, and no image.
func (j imageJob) tests() imageJob {
	last := len(j.op.plan.TestTargets) - 1
	plan := j.op.plan
	plan.Target, plan.TestTargets = plan.TestTargets[last], plan.TestTargets[:last]
	plan.WithoutImage, plan.Provenance, plan.SBOM = true, "", ""
	j.op.plan, j.testsOnly = plan, true
	return j
}

// pushIndex pushes the index of the parts by digest to every repository. It returns no digest if the parts have
// attestations and were not pushed: each build has another digest then.
func (j imageJob) pushIndex(ctx context.Context, parts []buildkit.Built) (buildkit.Built, error) {
	defer j.op.waits.begin("pushing the index of all platforms")()
	defer j.op.times.begin("pushing the index of all platforms")()
	index, err := j.newIndex(ctx, parts)
	if err != nil || index.Digest == "" {
		return buildkit.Built{}, explainRegistry(err)
	}
	for _, repository := range j.op.plan.Repositories {
		j.op.waits.notePush()
		if err := j.op.client.PushIndex(ctx, repository, index); err != nil {
			return buildkit.Built{}, explainRegistry(err)
		}
	}
	return buildkit.Built{Digest: index.Digest}, nil
}

// newIndex makes the index that one daemon would have made of all parts.
func (j imageJob) newIndex(ctx context.Context, parts []buildkit.Built) (registry.Index, error) {
	plan := j.op.plan
	annotations := buildkit.IndexAnnotations(plan)
	if buildkit.PlanFor(plan, plan.Platforms[0]).IsIndex() {
		if len(plan.Repositories) == 0 {
			return registry.Index{}, nil
		}
		request := registry.IndexRequest{Annotations: annotations}
		for _, part := range parts {
			source := registry.IndexSource{Repository: plan.Repositories[0], Digest: part.Digest}
			request.Sources = append(request.Sources, source)
		}
		return j.op.client.Combine(ctx, request)
	}
	manifests := make([]ocispecs.Descriptor, len(parts))
	for i, part := range parts {
		manifests[i] = part.Manifest
	}
	return registry.Join(manifests, annotations)
}
