package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// solve builds the plan on the builder that was asked for, and pushes again what is likely to come right.
func (s *settings) solve(ctx context.Context, op operation, plan inputs.Plan, in *inputs.Inputs, progress *progress) (buildkit.Built, error) {
	args := op.args
	end := func() {}
	leave, err := s.place(ctx, func() {
		progress.showNote("waiting: as many images build as maxParallelBuilds allows")
		end = op.waits.begin("waiting for its turn, as many images build as maxParallelBuilds allows,")
	})
	end()
	if err != nil {
		return buildkit.Built{}, err
	}
	defer leave()
	keychain := s.keychain(op.waits, args.Registries)
	finder := &builderFinder{
		asked: args.Builder, config: s.get(), platforms: plan.Platforms,
		embedded: daemon.Options{Note: progress.showNote, Registries: links(keychain)},
		note:     progress.showNote, begin: op.waits.begin,
		say: func(line string) {
			if s.isFirst(line) {
				progress.log.infof("%s", line)
			}
		},
	}
	builder, err := finder.find(ctx)
	if err != nil {
		return buildkit.Built{}, explainBuilder(err)
	}
	defer builder.release()
	builder.warnOfProxies(plan, progress.log.warning)
	pushing := s.registryClientWith(op.waits, keychain, args.pushLimit())
	connect := func(ctx context.Context) (*client.Client, error) {
		defer op.waits.begin("waiting for the BuildKit daemon at " + builder.endpoint + " to answer")()
		return builder.connect(ctx)
	}
	a := &attempt{connect: connect, plan: plan, in: in, progress: progress, waits: op.waits}
	if a.access, err = args.access(op.waits, keychain, pushing); err != nil {
		return buildkit.Built{}, err
	}
	a.access.StallTimeout, a.access.BytesWritten = cmp.Or(s.silence, args.silence()), buildkit.WriteCounter(ctx, builder.endpoint)
	a.access.BytesRead = buildkit.ReadCounter(ctx, builder.endpoint)
	if builder.guarded {
		a.access.Guard = s.guard(op)
	}
	err = a.pushWithRetry(ctx, pushing)
	err = builder.explainDisk(s.explainPlatform(ctx, op, plan, explainBuild(err)))
	return a.built, builder.explainNetwork(plan, explainRefusal(explainContext(err), s.get()))
}

// silence is how long a registry may be silent: 2 minutes, and in proportion more where more time is given to the push than by default,
// because a registry may take long to put a very large layer into its storage.
func (a ImageArgs) silence() time.Duration {
	return max(pushLimit, a.pushLimit()) * 2 / 5
}

// access is what a build may use beside its inputs.
func (a ImageArgs) access(w *waits, keychain *registry.Keychain, client *registry.Client) (access buildkit.Access, err error) {
	access = buildkit.Access{
		Credentials: func(ctx context.Context, host string) (buildkit.Credential, error) {
			c, err := keychain.Lookup(ctx, host)
			return buildkit.Credential{Username: c.Username, Password: c.Password, IdentityToken: c.IdentityToken}, registry.ForDaemon(err)
		},
		Tokens: func(ctx context.Context, r buildkit.TokenRequest) (string, time.Duration, error) {
			token, err := client.Token(ctx, registry.TokenRequest(r))
			return token.Token, token.ExpiresIn, registry.ForDaemon(err)
		},
		Secrets: a.secrets(), SSH: a.agents(), Exports: w.watchExports(a.exports()),
	}
	access.CacheFrom, access.CacheTo, err = a.caches()
	return access, err
}

// attempt is a build that may take several tries for the sake of its push.
type attempt struct {
	connect  func(context.Context) (*client.Client, error)
	plan     inputs.Plan
	in       *inputs.Inputs
	access   buildkit.Access
	progress *progress
	waits    *waits

	built buildkit.Built
}

// pushWithRetry builds and pushes, as often as client allows. The daemon still has what it built: only the push is repeated.
func (a *attempt) pushWithRetry(ctx context.Context, client *registry.Client) error {
	for retry := client.PushRetry(); ; {
		err := a.buildOnce(ctx)
		if err == nil {
			return nil
		}
		pause, err := retry.Next(ctx, err)
		if err != nil {
			return err
		}
		if line := pause.String(); line != "" {
			a.progress.showNote(line)
		}
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}

// buildOnce builds and pushes.
func (a *attempt) buildOnce(ctx context.Context) error {
	err := a.solve(ctx)
	if stalled, ok := errors.AsType[*buildkit.StalledCacheError](err); ok {
		err = a.withoutCache(ctx, stalled)
	}
	return saidByDaemon(err)
}

// saidByDaemon returns the error of a build as package registry reads it. What a step printed, and what the Dockerfile
// says, are not part of what it reads.
func saidByDaemon(err error) error {
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

// solve dials each time: a push that got stuck may have cost the connection.
func (a *attempt) solve(ctx context.Context) error {
	daemon, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = daemon.Close() }()
	a.built, err = buildkit.Solve(ctx, daemon, a.plan, a.in, a.access, a.report)
	a.plan.NoCache = false // what a failed push leaves to do is the push
	return withTargetOfBuild(err)
}

// report takes an event of the build.
func (a *attempt) report(e buildkit.Event) {
	if e.Kind == buildkit.Pushing {
		a.waits.notePush()
		return
	}
	a.progress.report(e)
}

// withoutCache builds again when all caches are such that their errors are to be ignored.
func (a *attempt) withoutCache(ctx context.Context, silent error) error {
	inline := func(c buildkit.Cache) bool { return c.Type == "inline" } // is written with the image
	for _, c := range a.access.CacheTo {
		if c.Attrs["ignore-error"] != "true" && !inline(c) {
			return fmt.Errorf("cacheTo: %w; look at the registry or the storage that it goes to, or set ignoreError for it", silent)
		}
	}
	a.progress.log.warningf("cacheTo: %v; built without", silent)
	a.access.CacheTo = slices.DeleteFunc(a.access.CacheTo, func(c buildkit.Cache) bool { return !inline(c) })
	return a.solve(ctx)
}
