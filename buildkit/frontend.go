package buildkit

import (
	"context"
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

// frontend is the Dockerfile frontend of this process on its way to a daemon: each definition is seen before the daemon
// gets it.
type frontend struct {
	gateway.Client
	source       dockerfile.Source
	platforms    *stepPlatforms
	readGuard    *readGuard
	policy       *sourcePolicy
	options      map[string]string
	muteWarnings bool // the same warnings come again
}

// readGuard lets nothing be sent that was not hashed, and remembers why it stopped a build: an error that passes the daemon
// comes back as text.
type readGuard struct {
	hashed inputs.Prediction

	mu      sync.Mutex
	stopped error
}

func (g *readGuard) check(req gateway.SolveRequest) error { return g.stop(g.hashed.Check(req)) }

// stop remembers the first error and returns its own.
func (g *readGuard) stop(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopped == nil {
		g.stopped = err
	}
	return err
}

func (g *readGuard) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stopped
}

// runFrontend runs the frontend. BuildKit's client calls it in a goroutine of its own.
func (s *solve) runFrontend(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	return rescue.Value(func() (*gateway.Result, error) { return s.buildTargets(ctx, c) })
}

// buildTargets runs the frontend for every test target, whose steps run to their end, and then for the image.
func (s *solve) buildTargets(ctx context.Context, c gateway.Client) (*gateway.Result, error) {
	options := c.BuildOpts().Opts
	here := frontend{Client: c, source: s.source, platforms: s.platforms, readGuard: s.readGuard, policy: s.policy}
	for _, target := range s.plan.TestTargets {
		if err := here.buildTestTarget(ctx, target, options); err != nil {
			return nil, err
		}
	}
	if s.plan.Provenance == "" {
		return here.run(ctx, options)
	}
	return here.runAtDaemon(ctx, options)
}

// run is the frontend's work with these options. What it returns is not solved before somebody wants it.
func (f frontend) run(ctx context.Context, options map[string]string) (*gateway.Result, error) {
	f.options = f.readGuard.hashed.HideUnread(options)
	result, err := dockerfile.Run(ctx, f, f.source)
	if inputs.IsOverBudget(err) {
		err = f.readGuard.stop(err)
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
	_ = result.EachRef(func(ref gateway.Reference) error { // what fails does so in the group
		rescue.GoErrGroup(group, func() error { return ref.Evaluate(ctx) })
		return nil
	})
	return group.Wait()
}

// runAtDaemon has the daemon run the frontend: only then does provenance record what the frontend was asked for. Ours goes first,
// for nothing but to see whether it reads more than was hashed.
func (f frontend) runAtDaemon(ctx context.Context, options map[string]string) (*gateway.Result, error) {
	f.muteWarnings = true
	if _, err := f.run(ctx, plainOptions(options)); err != nil {
		return nil, err
	}
	return f.Client.Solve(ctx, gateway.SolveRequest{Frontend: "dockerfile.v0", FrontendOpt: options})
}

// plainOptions are a copy of the options without attestations.
func plainOptions(options map[string]string) map[string]string {
	options = maps.Clone(options)
	maps.DeleteFunc(options, func(key, _ string) bool { return strings.HasPrefix(key, "attest:") })
	return options
}

// BuildOpts are the daemon's, with the options at hand. The frontend writes into them.
func (f frontend) BuildOpts() gateway.BuildOpts {
	opts := f.Client.BuildOpts()
	opts.Opts = maps.Clone(f.options)
	return opts
}

// Warn passes a warning about the Dockerfile on.
func (f frontend) Warn(ctx context.Context, step digest.Digest, text string, opts gateway.WarnOpts) error {
	if f.muteWarnings {
		return nil
	}
	return f.Client.Warn(ctx, step, text, opts)
}

// Solve passes a definition on unless it reads what was not hashed, or another frontend is to run that nobody allowed.
func (f frontend) Solve(ctx context.Context, req gateway.SolveRequest) (*gateway.Result, error) {
	err := rescue.Call(func() error { // the frontend calls this in goroutines of its own
		if err := f.policy.checkFrontend(req.Frontend, req.FrontendOpt); err != nil {
			return err
		}
		if err := f.readGuard.check(req); err != nil {
			return err
		}
		f.platforms.note(req.Definition)
		return nil
	})
	if err != nil {
		return nil, f.readGuard.stop(err)
	}
	return f.Client.Solve(ctx, req)
}

// ResolveImageConfig stops a build that asks for a named context that was not hashed.
func (f frontend) ResolveImageConfig(ctx context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	if err := inputs.CheckHidden(f.options, ref); err != nil {
		return "", "", nil, f.readGuard.stop(err)
	}
	return f.Client.ResolveImageConfig(ctx, ref, opt)
}
