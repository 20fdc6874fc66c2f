package buildkit

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/dockerfile"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/source"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Solve builds the plan from its recorded inputs on the daemon behind c and pushes it by digest. The Dockerfile frontend
// runs in this process, so that prediction and build are one program whatever version the daemon has. report is called from
// one goroutine, while the build runs, and must not block for long. When ctx ends and the daemon does not end the build
// soon after, c is closed.
//
// Errors: an *UnhashedError when it reads more than was hashed; a *FrontendError or a *ReachError when it asks for what
// access.Guard does not allow; a *PushError when the image was built and not pushed; a *BaseImageError when
// an image could not be had that the build begins from, copies from or needs as a frontend; a *StepError when a step of the
// Dockerfile failed; a *DaemonError for what else the daemon says; a *SilentSourceError when a server stopped in the middle
// of what the build fetches; a *SilentCacheError when a cache could not be written; an
// *EncodingError when the Dockerfile is not UTF-8; an error that names the path when a local input is not what was
// recorded, or the secret or the keys that are not there; a *StoppedError when
// ctx ended or the daemon did.
func Solve(ctx context.Context, c *client.Client, plan inputs.Plan, in *inputs.Inputs, access Access, report func(Event)) (Built, error) {
	plan.Files = in.Files() // what was hashed is what is fetched
	s := newSolve(plan, in, report)
	opt, err := s.prepare(ctx, in, access)
	if err != nil {
		return Built{}, s.finish(ctx, err)
	}
	response, err := s.run(ctx, c, opt, access)
	if err != nil {
		err = s.explain(ctx, err)
	}
	if err = s.finish(ctx, err); err != nil {
		return Built{}, err
	}
	s.steps.warnOfCaches()
	s.warnOfLogins()
	digest := response.ExporterResponse[exptypes.ExporterImageDigestKey]
	if digest == "" && !plan.WithoutImage {
		return Built{}, errors.New("the daemon finished the build but named no image digest: its image exporter is older than BuildKit v0.11, use a newer one")
	}
	return Built{Digest: digest}, nil
}

// Built is what a daemon made of a plan.
type Built struct {
	Digest string // "sha256:…": of the index, or of the manifest when there is one platform; "" WithoutImage
}

// solve is one conversation with a daemon about a plan.
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
}

func newSolve(plan inputs.Plan, in *inputs.Inputs, report func(Event)) *solve {
	platforms, redact := &stepPlatforms{}, &redaction{}
	s := &solve{
		plan:      plan,
		inputs:    in,
		source:    in.Source(),
		files:     source.NewServer(in.Trees()),
		secrets:   &secretStore{redact: redact, logins: newLogins(redact)},
		platforms: platforms,
		readGuard: &readGuard{hashed: in.Prediction()},
		steps:     newStepTracker(platforms, redact, report),
	}
	s.files.Epoch = plan.Epoch
	s.policy = &sourcePolicy{plan: plan, logins: s.secrets.logins, stop: s.readGuard.stop}
	s.secrets.logins.learn(string(in.Dockerfile)) // an error may show a line of it
	return s
}

// prepare are what the daemon is asked for and what it may ask for.
func (s *solve) prepare(ctx context.Context, in *inputs.Inputs, access Access) (client.SolveOpt, error) {
	attachables, err := s.attachables(ctx, access)
	if err != nil {
		return client.SolveOpt{}, err
	}
	s.policy.guard, s.secrets.logins.userSecrets = access.Guard, access.Secrets
	for _, c := range slices.Concat(access.CacheFrom, access.CacheTo) {
		for _, value := range c.Attrs {
			s.secrets.logins.learn(value)
		}
	}
	exports, err := s.openExports(ctx, access.Exports)
	if err != nil {
		return client.SolveOpt{}, err
	}
	imports := s.openCacheImports(ctx, access.CacheFrom)
	if err := s.checkCacheFolders(access.CacheTo); err != nil {
		return client.SolveOpt{}, err
	}
	return client.SolveOpt{
		FrontendAttrs:        s.plan.FrontendAttrs(in.Definition),
		Exports:              exports,
		Session:              attachables,
		CacheImports:         s.cacheEntries(imports),
		CacheExports:         s.cacheEntries(cacheExports(s.plan, access.CacheTo)),
		SharedKey:            in.TransferKey(s.plan.Epoch),
		AllowedEntitlements:  neededEntitlements(s.plan),
		CompatibilityVersion: CompatibilityVersion,
		SourcePolicy:         sourceRules(s.plan, s.secrets.logins),
		SourcePolicyProvider: s.policy.provider(),
	}, nil
}

func (s *solve) run(ctx context.Context, c *client.Client, opt client.SolveOpt, access Access) (*client.SolveResponse, error) {
	status := make(chan *client.SolveStatus)
	drained := make(chan struct{})
	ctx, watch := newStallWatch(ctx, access, s.plan)
	defer watch.stop()
	s.steps.watch = watch
	s.steps.waiting = &waitTracker{
		stopped: func() bool { return ctx.Err() != nil }, watch: watch, caches: access.CacheTo, exports: access.Exports,
		open: map[digest.Digest]*openVertex{},
	}
	// To the close of the channel, whatever became of ctx: a status that nobody reads blocks the solve.
	rescue.Go(watch.end, func() {
		defer close(drained)
		if err := rescue.Call(func() error { s.steps.follow(status); return nil }); err != nil {
			watch.end(err)
		}
		drain(status)
	})
	uncut := closeAfterGrace(ctx, c)
	response, err := s.runSession(ctx, c, opt, status)
	<-drained
	uncut()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return response, err
}

// drain takes what is left in a channel, to its close.
func drain[T any](channel <-chan T) {
	for range channel {
	}
}

// cancelGrace is how long a daemon has to end a build after its context.
const cancelGrace = time.Second

// closeAfterGrace closes the connection when the build has not ended in time after ctx: BuildKit's client itself waits 5 s for a
// last status, also from a daemon that cannot be reached any more.
func closeAfterGrace(ctx context.Context, c *client.Client) (uncut func()) {
	ended, done := make(chan struct{}), make(chan struct{})
	rescue.Go(func(error) { _ = c.Close() }, func() {
		defer close(done)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		select {
		case <-ended:
		case <-time.After(cancelGrace):
			_ = c.Close()
		}
	})
	return func() { close(ended); <-done }
}

// explain puts the error first that says most: why we stopped, which local file changed, which step failed.
func (s *solve) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return s.stoppedError(context.Cause(ctx))
	}
	if bug, ok := errors.AsType[*rescue.PanicError](err); ok {
		return bug
	}
	if silent := findStall(err); silent != nil {
		return silent
	}
	if local := s.files.Err(); local != nil {
		return s.inputs.WithIgnoreFile(local)
	}
	if unhashed := s.readGuard.err(); unhashed != nil {
		return unhashed
	}
	if wrong := s.inputs.EncodingError(err); wrong != nil {
		return wrong
	}
	explained := s.secrets.explain(s.steps.explain(err, s.plan))
	if _, other := errors.AsType[*DaemonError](explained); other && status.Code(err) == codes.Unavailable { // the daemon has gone
		return s.stoppedError(explained)
	}
	return explained
}

// stoppedError returns a *StoppedError with what the solve was waiting for.
func (s *solve) stoppedError(cause error) error {
	return &StoppedError{Waits: s.steps.waiting.waits(s.steps.redact.hide), Cause: cause}
}

// warnOfLogins tells which URLs of the Dockerfile have a login: its text is kept as it is.
func (s *solve) warnOfLogins() {
	for _, location := range s.secrets.logins.urlsWithLogins() {
		s.steps.warn("the Dockerfile writes a login into the URL " + location + ": whoever reads the Dockerfile has it, and " +
			"everybody who pulls the image, whose history and provenance have the line. " +
			"Write the URL without it, and give the login as a secret, GIT_AUTH_TOKEN.<host> for git or HTTP_AUTH_TOKEN_<host> for files")
	}
}
