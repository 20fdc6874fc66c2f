package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/daemon"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
)

// builderFinder looks for the builders of one image. If the program or the environment names a builder, it takes that
// one, or fails. Otherwise it takes the first builder that can work. Several builders share the platforms of an image
// if the program names several. The order is:
//
//  1. builder.endpoint or builder.name of the image
//  2. the provider's host or builders
//  3. BUILDKIT_HOST
//  4. DOCKER_HOST, DOCKER_CONTEXT: that Docker Engine
//  5. BUILDX_BUILDER, and the builder of "docker buildx use"
//  6. the embedded daemon, on Linux as root
//  7. the Docker Engine of the current Docker context
//  8. the embedded daemon, on Linux as an ordinary user: in a user namespace, where its steps may do less
type builderFinder struct {
	input     *BuilderConfig
	config    Config
	dialLimit time.Duration // of a BuildKit daemon; 0: the default
	embedded  daemon.Options
	image     string // the same on every machine and in every stack
	platforms []string
	whole     bool                           // one builder must build all platforms
	answers   *nodeAnswers                   // of several builders
	hosts     func(context.Context) []string // of the registries that the build needs
	note      func(string)                   // shows a line
	sayOnce   func(string)                   // shows a line that stays, once in a run
	warnOnce  func(string)                   // warns once in a run
	begin     func(waitingFor string) func() // marks a wait and returns what ends it
	log       *slog.Logger
}

// find returns the builders of the image with the platforms that each of them builds. If nobody named a builder and
// none can work, it returns a *noBuilderError. The caller releases the nodes.
func (f *builderFinder) find(ctx context.Context) ([]node, error) {
	named, err := f.choice(ctx)
	if err == nil && named != nil {
		if several := f.candidates(ctx, named); len(several) > 0 {
			nodes, err := f.spread(ctx, several, named.name())
			return nodes, named.explain(err)
		}
	}
	b, err := f.findOne(ctx, named, err)
	if err != nil {
		return nil, err
	}
	return []node{{builder: b, platforms: f.platforms}}, nil
}

// findOne returns the builder that is named, or the first one that can work.
func (f *builderFinder) findOne(ctx context.Context, named *choice, err error) (b builder, _ error) {
	if err != nil || named != nil {
		b, err = f.connectChoice(ctx, named, err)
	} else {
		b, err = f.discover(ctx)
	}
	if err == nil {
		reason := cmp.Or(b.reason, "the program names it, or nothing else is named")
		f.log.Debug("builder taken", "endpoint", b.endpoint, "reason", reason)
	}
	if err == nil {
		f.warnOfMirrors(b)
	}
	if err == nil && b.reason != "" {
		f.sayOnce(fmt.Sprintf("building on %s: %s", b.name(), b.reason))
	}
	return b, err
}

// noBuilderError says that no builder can work here, and why not. Nobody named one.
type noBuilderError struct{ tried []error }

// Error returns a line for each builder that was tried.
func (e *noBuilderError) Error() string {
	lines := make([]string, len(e.tried))
	for i, err := range e.tried {
		lines[i] = "- " + strings.ReplaceAll(err.Error(), "\n", "\n  ")
	}
	return "no builder can work here:\n" + strings.Join(lines, "\n")
}

// Unwrap returns the error of each builder that was tried.
func (e *noBuilderError) Unwrap() []error { return e.tried }

// discover returns the first builder that can work.
func (f *builderFinder) discover(ctx context.Context) (builder, error) {
	none := &noBuilderError{}
	sources := []func(context.Context) (builder, error){f.startEmbedded, f.connectCurrentEngine}
	if daemon.Rootless() {
		slices.Reverse(sources)
	}
	for _, source := range sources {
		b, err := source(ctx)
		if err == nil && b.isEmbedded() && len(none.tried) > 0 {
			b.reason = none.tried[0].Error()
		}
		if err == nil || ctx.Err() != nil || !canTryAnother(err) {
			return b, err
		}
		f.log.DebugContext(ctx, "builder passed over", "reason", err.Error())
		none.tried = append(none.tried, err)
	}
	return builder{}, none
}

// connectCurrentEngine returns the builder of the Docker Engine of the current Docker context. It returns an
// *unusedEngineError when there is none that can build.
func (f *builderFinder) connectCurrentEngine(ctx context.Context) (b builder, err error) {
	a, err := engine.Current(ctx)
	a.Chosen = false // installers set the current context too: nobody chose this engine for builds
	if err == nil {
		b, err = f.connectEngine(ctx, a)
	}
	if err != nil {
		return builder{}, &unusedEngineError{err}
	}
	return b, nil
}

// unusedEngineError says why a Docker Engine that nobody named was not taken.
type unusedEngineError struct{ error }

func (e *unusedEngineError) Unwrap() error { return e.error }

// canTryAnother tells whether a builder that nobody named cannot work here at all. Another one is tried then.
func canTryAnother(err error) bool { return isUnfit(err) || errors.As(err, new(*unusedEngineError)) }

// isUnfit tells whether the embedded daemon cannot run on this machine at all.
func isUnfit(err error) bool {
	if _, ok := errors.AsType[*daemon.UnfitError](err); ok {
		return true
	}
	e, ok := errors.AsType[*daemon.Error](err)
	return ok && e.Fault == daemon.NotLinux
}
