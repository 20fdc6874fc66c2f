package provider

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"regexp"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"golang.org/x/sync/errgroup"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

var imageDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func checkBaseDigests(c *checker) {
	seen := map[string]string{}
	for _, ref := range slices.Sorted(maps.Keys(c.args.BaseDigests)) {
		path := under("baseDigests", ref)
		canonical, err := inputs.BaseName(ref)
		if err != nil {
			c.fail(path, "%q cannot be the reference of a base image, such as alpine:3.20: %v", ref, err)
		}
		if other, twice := seen[canonical]; twice && err == nil {
			c.fail(path, "%q and %q are one image: keep one of them", ref, other)
		}
		seen[canonical] = ref
		digest := c.args.BaseDigests[ref]
		if !c.unknownAt(key("baseDigests"), key(ref)) && !imageDigest.MatchString(digest) {
			c.fail(path, "%q is not a digest: write sha256: and 64 hexadecimal digits", digest)
		}
	}
}

// fillBaseDigests sets baseDigests to the current digests of the base images, if pull is set and the program gives
// none. It sets an unknown value if they cannot be known yet.
func fillBaseDigests(ctx context.Context, settings *settings, c *checker, res *p.CheckResponse) error {
	switch {
	case !isKnown(c.raw, "pull"), deref(c.args.Pull) && (c.awaited || !meets(c.raw, basesNeed)):
		if c.raw.Get("baseDigests").IsNull() {
			res.Inputs = res.Inputs.Set("baseDigests", unknownValue())
		}
		return nil
	case !deref(c.args.Pull), !c.raw.Get("baseDigests").IsNull(), len(c.failures) > 0:
		return nil
	}
	plan := c.plan()
	w := newStage(ctx, "looking for the base images of the Dockerfile")
	bases, certain, err := inputs.Bases(ctx, plan)
	if ctx.Err() != nil {
		return w.explain(context.Cause(ctx), "")
	}
	if err != nil {
		c.fail(c.args.dockerfilePath(), "%v", err)
		return nil
	}
	if !certain && len(plan.UnknownArgs) > 0 {
		res.Inputs = res.Inputs.Set("baseDigests", unknownValue())
		return nil
	}
	if !certain {
		loggerOf(ctx).warnf("pull: the base images cannot be determined, so a new one does not cause a build. " +
			"Name them in baseDigests, set platforms if their names depend on the platform, or give the Dockerfile " +
			"of a remote context here")
	}
	w.enter("looking up the registries of the base images")
	err = checkReach(ctx, settings, c, plan, bases)
	if ctx.Err() != nil {
		return w.explain(context.Cause(ctx), "")
	}
	if err != nil {
		c.fail("pull", "%v", err)
		return nil
	}
	digests, err := resolveBases(ctx, settings, c, bases)
	switch {
	case ctx.Err() != nil:
		return cmp.Or(err, context.Cause(ctx))
	case err != nil && isRefused(err) && !isKnown(c.raw, "registries"):
		res.Inputs = res.Inputs.Set("baseDigests", unknownValue())
	case err != nil:
		c.fail("pull", "%v; without pull the builder takes the base images that it has", err)
	case len(digests) > 0:
		res.Inputs = res.Inputs.Set("baseDigests", property.New(digests))
	}
	return nil
}

// checkReach returns an error if a Dockerfile, and nothing in the program, leads to a base image on this machine or a
// metadata service. This process asks that registry, whichever builder builds.
func checkReach(ctx context.Context, settings *settings, c *checker, plan inputs.Plan, bases []string) error {
	guard := settings.guard(c.args, c.raw)
	for _, base := range bases {
		if err := guard.CheckImage(ctx, plan, base); err != nil {
			return explainRefusal(err, settings.configuration())
		}
	}
	return nil
}

func isRefused(err error) bool {
	return errors.Is(err, fault.ErrUnauthorized) || errors.Is(err, fault.ErrDenied)
}

// resolveBases asks mirrors and registries for the digests of base images, in parallel. The digest of an image that
// this update pushes first comes from its promise, and may be unknown.
func resolveBases(
	ctx context.Context, settings *settings, c *checker, bases []string,
) (map[string]property.Value, error) {
	ctx, stop := withinLimit(ctx, previewLimit)
	defer stop()
	w := newStage(ctx, "looking up the digests of the base images")
	client := settings.registryClient(ctx, w, settings.keychain(ctx, w, c.args.Registries), previewLimit)
	mirrors := findBaseMirrors(ctx, c)
	found := make([]string, len(bases))
	group, ctx := errgroup.WithContext(ctx)
	for i, base := range bases {
		if _, ok := c.promised.byTag(base); ok {
			continue
		}
		rescue.GoErrGroup(group, func() error {
			tag, err := registry.ParseTag(base)
			if err != nil {
				return err
			}
			found[i], err = settings.resolveBase(ctx, client, tag, mirrors)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, w.explain(err, "")
	}
	digests := map[string]property.Value{}
	for i, base := range bases {
		digests[base] = property.New(found[i])
		switch by, ok := c.promised.byTag(base); {
		case ok && by.Digest == "":
			digests[base] = unknownValue()
		case ok:
			digests[base] = property.New(by.Digest)
		}
	}
	return digests, nil
}
