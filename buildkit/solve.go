package buildkit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Solve builds the plan from its recorded inputs on the daemon behind c and pushes the image by digest. Solve calls
// report from one goroutine while the build runs; report must not block for long. If ctx ends and the daemon does not
// end the build within cancelGrace, Solve closes c. Solve writes no cache but an inline one: see ExportCaches.
//
// The Dockerfile frontend runs in this process, so the prediction and the build use the same version of it.
//
// Built has only its Timing if the daemon began the build and Solve returns an error. Solve returns:
//   - an *inputs.UnhashedError if the build reads more than was hashed.
//   - an *inputs.EncodingError if the Dockerfile is not UTF-8.
//   - an error that names the path if a local input is not what was recorded.
//   - an *AgentError for an SSH agent, and an error that names the secret, if it cannot be used.
//   - a *FrontendError or a *ReachError if the build asks for something that access.Guard does not allow.
//   - an *ExportError for a folder or file that cannot be written.
//   - a *PushError if the image was built and not pushed.
//   - a *BaseImageError if the builder did not get an image that the build needs.
//   - a *LostLayerError if the daemon lacks a layer of an image in access.UnpushedBases.
//   - a *StepError if a step of the Dockerfile failed.
//   - a *StalledSourceError if a server stopped in the middle of a transfer.
//   - an *OldDaemonError if the daemon is too old for the build.
//   - a *LimitError if the daemon cannot limit steps as the plan says.
//   - a *DaemonError for any other failure that the daemon reports.
//   - a *StoppedError if ctx ended or the daemon did.
func Solve(
	ctx context.Context, c *client.Client, plan inputs.Plan, in *inputs.Inputs, access Access, report func(Event),
) (Built, error) {
	plan.Files = in.Files() // the daemon fetches the same locations that were hashed
	s := newSolve(plan, in, access.Log, report)
	start := time.Now()
	s.log.DebugContext(ctx, "solve starts", "platforms", plan.Platforms, "repositories", plan.Repositories)
	built, err := s.solve(ctx, c, in, access)
	if isGateError(err) && ctx.Err() == nil {
		s.log.DebugContext(ctx, "solve starts again", "reason", errorLine(err))
		plan.NoCache, plan.NoCacheOf, access.BeginPush = false, nil, nil
		first := built.Timing
		built, err = newSolve(plan, in, access.Log, report).solve(ctx, c, in, access)
		built.Timing = first.join(built.Timing)
	}
	took := time.Since(start)
	s.log.DebugContext(ctx, "solve ends", "digest", built.Digest, "duration", took, "reason", errorLine(err))
	return built, err
}

// solve does the work of Solve.
func (s *solve) solve(ctx context.Context, c *client.Client, in *inputs.Inputs, access Access) (Built, error) {
	opt, err := s.prepare(ctx, in, access)
	if err != nil {
		return Built{}, s.finish(ctx, err)
	}
	s.openGate(ctx, c, access, opt.Exports)
	defer s.gate.close()
	s.restorer = newRestorer(s, access)
	response, err := s.run(ctx, c, opt, access)
	if ignored := s.limits.err(); ignored != nil { // a failed build too: perhaps it failed for want of the limit
		s.steps.warn(ignored)
	}
	if err != nil {
		err = s.explain(ctx, err)
	}
	defer s.closeRestorer(ctx, err) // after newBuilt: a prune may end the lease of the image that it reads
	if err = s.finish(ctx, err); err != nil {
		return Built{Timing: s.steps.newTiming()}, err
	}
	s.steps.warnOfCaches()
	s.warnOfLogins()
	digest := response.ExporterResponse[exptypes.ExporterImageDigestKey]
	if digest == "" && !s.plan.WithoutImage {
		return Built{}, &OldDaemonError{Text: "the daemon finished the build but named no image digest: " +
			"its image exporter is older than BuildKit v0.11"}
	}
	manifest, err := describeManifest(s.plan, response.ExporterResponse)
	if err != nil {
		return Built{}, err
	}
	return s.newBuilt(ctx, c, Built{Digest: digest, Manifest: manifest, Timing: s.steps.newTiming()}, access), nil
}

// closeRestorer closes the restorer after a solve that ended with err. It asks nothing of a daemon that is lost.
func (s *solve) closeRestorer(ctx context.Context, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	if errors.As(err, new(*LostDaemonError)) {
		stop(err)
	}
	s.restorer.close(ctx, err == nil)
}

// solve is one run of a plan on a daemon.
type solve struct {
	plan      inputs.Plan
	inputs    *inputs.Inputs
	source    dockerfile.Source
	files     *source.Server
	secrets   *secretStore
	platforms *stepPlatforms
	readGuard *readGuard
	steps     *stepTracker
	sinks     []Sink
	received  *receiver
	stores    map[string]*cacheStore // by their names for the daemon
	policy    *sourcePolicy
	bases     *unpushedBases
	limits    *limitChecker
	log       *slog.Logger

	baseMounts baseMounts
	gate       *pushGate                                                      // nil: the push waits for nobody
	restorer   *restorer                                                      // nil: no cache mounts travel
	build      func(context.Context, gateway.Client) (*gateway.Result, error) // nil: buildTargets
}

func newSolve(plan inputs.Plan, in *inputs.Inputs, logger *slog.Logger, report func(Event)) *solve {
	platforms, redact := &stepPlatforms{}, &redaction{}
	hidden := newLog(logger, redact)
	s := &solve{
		log:       hidden,
		plan:      plan,
		inputs:    in,
		source:    in.Source(),
		files:     source.NewServer(in.Trees()),
		secrets:   &secretStore{redact: redact, logins: newLogins(redact)},
		platforms: platforms,
		readGuard: &readGuard{hashed: in.Prediction()},
		bases:     &unpushedBases{},
		limits:    &limitChecker{limits: plan.Limits},
		steps:     newStepTracker(platforms, redact, hidden, report),
	}
	s.files.Epoch = plan.Epoch
	s.policy = &sourcePolicy{
		plan: plan, logins: s.secrets.logins, bases: s.bases, stop: s.readGuard.stop, log: s.log,
	}
	s.secrets.logins.learn(string(in.Dockerfile)) // an error may show a line of it
	return s
}

// prepare opens everything that the solve needs and returns the options for BuildKit's client. The caller calls finish,
// also after an error.
func (s *solve) prepare(ctx context.Context, in *inputs.Inputs, access Access) (client.SolveOpt, error) {
	attachables, err := s.attachables(ctx, access)
	if err != nil {
		return client.SolveOpt{}, err
	}
	s.bases.images = access.UnpushedBases
	s.policy.guard, s.secrets.logins.userSecrets = access.Guard, access.Secrets
	s.learnSecrets(slices.Concat(access.CacheFrom, access.CacheTo))
	exports, err := s.openExports(ctx, access.Exports)
	if err != nil {
		return client.SolveOpt{}, err
	}
	s.steps.alternatives = slices.ContainsFunc(access.CacheFrom, func(c Cache) bool { return c.Alternative })
	imports := s.openLocalCaches(ctx, access.CacheFrom)
	options := s.plan.FrontendOptions(in.Texts)
	s.addProxies(options, access.Proxies)
	s.baseMounts = baseMounts{mount: access.MountBases, repositories: s.plan.Repositories, exports: exports}
	return client.SolveOpt{
		FrontendAttrs:        options,
		Exports:              exports,
		Session:              attachables,
		CacheImports:         cacheEntries(imports),
		CacheExports:         cacheEntries(inlineCaches(s.plan, access.CacheTo)),
		SharedKey:            in.TransferKey(s.plan.Epoch),
		AllowedEntitlements:  neededEntitlements(s.plan),
		CompatibilityVersion: CompatibilityVersion,
		SourcePolicy:         sourceRules(s.plan, s.secrets.logins),
		SourcePolicyProvider: s.policy.provider(),
	}, nil
}

// run solves, and follows the status of the solve until it ends.
func (s *solve) run(
	ctx context.Context, c *client.Client, opt client.SolveOpt, access Access,
) (*client.SolveResponse, error) {
	status := make(chan *client.SolveStatus)
	drained := make(chan struct{})
	ctx, watch := newStallWatch(ctx, access, s.plan, s.log)
	defer watch.stop()
	s.steps.watch = watch
	s.steps.caches.bind(ctx, watch.end, func() string { return s.bases.session }, s.steps.redact)
	s.steps.waiting = &waitTracker{
		stopped: func() bool { return ctx.Err() != nil }, watch: watch, caches: access.CacheTo, exports: access.Exports,
		open: map[digest.Digest]*openVertex{},
	}
	// The goroutine reads until the channel closes, even if ctx has ended: a status that is not read blocks the solve.
	rescue.Go(watch.end, func() {
		defer close(drained)
		if err := rescue.Call(func() error { s.steps.follow(status); return nil }); err != nil {
			watch.end(err)
		}
		drain(status)
	})
	stopWatchdog := closeAfterGrace(ctx, c)
	alive := newDaemonWatch(c, access, watch.end, s.log)
	watch.isDaemonAlive = func() (time.Time, bool) { return alive.isAlive(ctx) }
	stopAlive := alive.start(ctx)
	response, err := s.runSession(ctx, c, opt, alive, status)
	<-drained
	stopAlive()
	stopWatchdog()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return response, err
}

// drain reads a channel until it closes.
func drain[T any](channel <-chan T) {
	for range channel {
	}
}
