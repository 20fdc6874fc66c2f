package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/buildx"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// baseMirrors are the mirrors that are asked for the base images of an image.
type baseMirrors struct {
	byHost map[string][]string
	// ignored: the builder takes mirrors from its own configuration, and builds with what the registry itself has. The
	// mirrors are asked only if nothing answers at the registry.
	ignored bool
}

// findBaseMirrors returns the mirrors for the base images of an image.
//
// It dials no builder, so that a Docker Engine counts as one that asks the mirrors: our BuildKit may run there.
func findBaseMirrors(ctx context.Context, c *checker) baseMirrors {
	found := baseMirrors{byHost: c.config.mirrors()}
	if isKnown(c.raw, "builder") {
		f := &builderFinder{input: c.args.Builder, config: c.config}
		chosen, err := f.choice(ctx)
		found.ignored = err == nil && chosen != nil && chosen.ignoresMirrors(ctx)
	}
	return found
}

// ignoresMirrors tells whether a builder of the choice takes mirrors from its own configuration. It dials nothing.
func (c *choice) ignoresMirrors(ctx context.Context) bool {
	for _, n := range c.nodes {
		if (&choice{address: deref(n.Endpoint), buildx: deref(n.Name)}).ignoresMirrors(ctx) {
			return true
		}
	}
	if c.buildx != "" {
		known, err := buildx.Open().Builder(ctx, c.buildx)
		return err == nil && known.Driver != buildx.Docker
	}
	e, err := endpoint.Parse(c.address)
	return err == nil && e.Kind() == endpoint.Daemon
}

// resolveBase returns the digest of a base image. It asks the mirrors first, and then the registry. If the builder
// ignores mirrors, it asks them only after nothing has answered at the registry. It warns of mirrors that fail.
func (s *settings) resolveBase(
	ctx context.Context, client *registry.Client, tag registry.Tag, mirrors baseMirrors,
) (string, error) {
	asked := s.silentMirrors.without(mirrors.byHost[tag.Host()])
	if mirrors.ignored && len(asked) > 0 && len(s.silentMirrors.without([]string{tag.Host()})) > 0 {
		found, err := client.ResolveBriefly(ctx, tag, len(asked))
		if !registry.IsSilent(err) || ctx.Err() != nil {
			return found, explainBase(err, mirrors, tag.Host())
		}
		s.silentMirrors.add(tag.Host())
		if s.isFirst("registry " + tag.Host()) {
			loggerOf(ctx).infof("pull: nothing answers at %s, so its mirrors are asked: %v", tag.Host(), err)
		}
	}
	found, failed, err := client.ResolveMirrored(ctx, tag, asked)
	s.silentMirrors.record(failed)
	s.warnOfFailedMirrors(ctx, tag, failed)
	return found, explainBase(err, mirrors, tag.Host())
}

// explainBase adds to the error of a registry about a base image what it is about, and a remedy if the registry limits
// pulls: that of a push does not help.
func explainBase(err error, mirrors baseMirrors, host string) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("base image: %w", err)
	if !errors.Is(err, fault.ErrRateLimited) {
		return err
	}
	mayHelp := !mirrors.ignored && len(mirrors.byHost[host]) == 0
	return &remediedError{error: err, remedy: baseLimitRemedy(mayHelp)}
}
