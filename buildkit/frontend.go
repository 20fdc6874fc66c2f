package buildkit

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// frontend is the gateway between the Dockerfile frontend, which runs in this process, and the daemon. It checks each
// definition before the daemon gets it.
type frontend struct {
	gateway.Client
	source       dockerfile.Source
	platforms    *stepPlatforms
	readGuard    *readGuard
	policy       *sourcePolicy
	limits       *limitChecker
	log          *slog.Logger
	options      map[string]string
	muteWarnings bool // another run gives the same ones
	mounts       *mountCollector
	restorer     *restorer
}

// readGuard refuses definitions that read more than was hashed. It remembers why it stopped a build, because an error
// that passes the daemon comes back as text.
type readGuard struct {
	hashed inputs.Prediction

	mu      sync.Mutex
	stopped error
}

// check returns an *inputs.UnhashedError if the request reads a file that was not hashed.
func (g *readGuard) check(req gateway.SolveRequest) error { return g.stop(g.hashed.Check(req)) }

// stop remembers the first error and returns its argument.
func (g *readGuard) stop(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped == nil {
		g.stopped = err
	}
	return err
}

// err returns the first error that stopped the build; nil if none did.
func (g *readGuard) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

// runFrontend builds all targets, or does what s.build does. BuildKit's client calls it in a goroutine of its own.
func (s *solve) runFrontend(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	build := s.buildTargets
	if s.build != nil {
		build = s.build
	}
	return rescue.Value(func() (*gateway.Result, error) { return build(ctx, c) })
}

// newFrontend returns the frontend of this process.
func (s *solve) newFrontend(c gateway.Client) frontend {
	return frontend{
		Client:    c,
		source:    s.source,
		platforms: s.platforms,
		readGuard: s.readGuard,
		policy:    s.policy,
		limits:    s.limits,
		log:       s.log,
		mounts:    s.restorer.collector(),
		restorer:  s.restorer,
	}
}

// buildTargets runs the steps of every test target, and then the frontend for the image.
func (s *solve) buildTargets(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	options := c.BuildOpts().Opts
	f := s.newFrontend(c)
	if err := checkLimits(s.plan.Limits, c.BuildOpts()); err != nil {
		return nil, s.readGuard.stop(err)
	}
	f.logNamedContexts(ctx, options)
	for _, target := range s.plan.TestTargets {
		if err := f.buildTestTarget(ctx, target, options); err != nil {
			return nil, err
		}
	}
	build := f.run
	if s.plan.Provenance != "" {
		build = f.runAtDaemon
	}
	result, err := build(ctx, options)
	if err == nil {
		s.baseMounts.run(ctx, result)
	}
	return result, err
}

// run runs the frontend with these options. The daemon solves the result only when its content is needed.
func (f frontend) run(ctx context.Context, options map[string]string) (*gateway.Result, error) {
	f.options = f.readGuard.hashed.HideUnread(options)
	result, err := dockerfile.Run(ctx, f, f.source)
	if inputs.IsOverBudget(err) {
		err = f.readGuard.stop(err)
	}
	if err == nil { // the daemon has fetched the Dockerfile
		if err = f.policy.checkAsked(); err != nil {
			return nil, f.readGuard.stop(err)
		}
		f.restorer.restore(ctx)
	}
	return result, err
}

// buildTestTarget runs the steps of a stage, for every platform.
func (f frontend) buildTestTarget(ctx context.Context, target string, options map[string]string) error {
	options = plainOptions(options)
	options["target"] = target
	result, err := f.run(ctx, options)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	_ = result.EachRef(func(ref gateway.Reference) error { // the group has the errors
		rescue.GoErrGroup(group, func() error { return ref.Evaluate(ctx) })
		return nil
	})
	return group.Wait()
}

// runAtDaemon runs the frontend of the daemon. Only then does provenance record the options of the frontend. The
// frontend of this process runs first, to check that the build reads only what was hashed.
func (f frontend) runAtDaemon(ctx context.Context, options map[string]string) (*gateway.Result, error) {
	f.muteWarnings = true
	if _, err := f.run(ctx, plainOptions(options)); err != nil {
		return nil, err
	}
	return f.solveFrontend(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: options})
}

// solveFrontend has the daemon run a frontend, and looks for the limits in the result.
func (f frontend) solveFrontend(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	result, err := f.Client.Solve(ctx, req)
	if err != nil {
		return nil, err
	}
	f.mounts.noteResult(ctx, result)
	if err := f.limits.check(ctx, req.FrontendOpt["source"], result); err != nil {
		f.log.DebugContext(ctx, "limits not checked", "reason", errorLine(err))
	}
	return result, nil
}

// plainOptions returns a copy of the options without attestations.
func plainOptions(options map[string]string) map[string]string {
	options = maps.Clone(options)
	maps.DeleteFunc(options, func(key, _ string) bool { return strings.HasPrefix(key, "attest:") })
	return options
}

// BuildOpts returns the daemon's options with a copy of f.options, because the frontend writes into them.
func (f frontend) BuildOpts() gateway.BuildOpts {
	opts := f.Client.BuildOpts()
	opts.Opts = maps.Clone(f.options)
	return opts
}

// Warn passes on a warning about the Dockerfile.
func (f frontend) Warn(ctx context.Context, step digest.Digest, text string, opts gateway.WarnOpts) error {
	if f.muteWarnings {
		return nil
	}
	return f.Client.Warn(ctx, step, text, opts)
}

// Solve passes on a definition. It returns an *inputs.UnhashedError if the definition reads a file that was not hashed,
// and a *FrontendError if it runs a frontend that is not allowed.
func (f frontend) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	err := rescue.Call(func() error { // the frontend calls this in goroutines of its own
		if err := f.policy.checkFrontend(req.Frontend, req.FrontendOpt); err != nil {
			return err
		}
		if err := f.readGuard.check(req); err != nil {
			return err
		}
		f.platforms.note(req.Definition)
		f.mounts.note(req.Definition)
		f.logSources(ctx, req.Definition)
		return nil
	})
	if err != nil {
		return nil, f.readGuard.stop(err)
	}
	if req.Frontend != "" {
		return f.solveFrontend(ctx, req)
	}
	return f.Client.Solve(ctx, req)
}

// ResolveImageConfig asks the daemon for the digest and the configuration of an image. It returns an error for a named
// context that was not hashed.
func (f frontend) ResolveImageConfig(
	ctx context.Context, ref string, opt sourceresolver.Opt,
) (resolved string, dgst digest.Digest, config []byte, err error) {
	if err := inputs.CheckHidden(f.options, ref); err != nil {
		return "", "", nil, f.readGuard.stop(err)
	}
	resolved, dgst, config, err = f.Client.ResolveImageConfig(ctx, ref, opt)
	logger := f.log.With("image", ref, "platform", platformText(opt))
	if err != nil {
		logger.DebugContext(ctx, "image not resolved", "reason", errorLine(err))
		return resolved, dgst, config, err
	}
	logger.DebugContext(ctx, "image resolved", "digest", dgst)
	if isUnpushedName(resolved) {
		resolved = ref // steps and the policy get the name that the Dockerfile has
	}
	return resolved, dgst, config, nil
}
