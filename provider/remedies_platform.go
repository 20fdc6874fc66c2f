package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// explainPlatform adds a remedy to the error about a base image that does not have the wanted platform: the platforms
// that it has. It asks the registry for them, unless only the Dockerfile leads to that registry.
func explainPlatform(ctx context.Context, settings *settings, op operation, err error) error {
	base, ok := errors.AsType[*buildkit.BaseImageError](err)
	if !ok || base.Fault != buildkit.NoPlatform {
		return err
	}
	var has []string
	if settings.guard(op.args, op.inputs).CheckImage(ctx, op.plan, base.Ref) == nil {
		has = platformsOf(ctx, op, base.Ref)
	}
	return withLines(err, platformRemedy(base, has))
}

// platformsOf returns the platforms of an image, or none if the registry does not tell them.
func platformsOf(ctx context.Context, op operation, ref string) []string {
	tag, err := registry.ParseTag(ref)
	if err != nil {
		return nil
	}
	ctx, stop := withinLimit(ctx, previewLimit)
	defer stop()
	digest, err := op.client.Resolve(ctx, tag)
	if err != nil {
		return nil
	}
	image, err := op.client.Inspect(ctx, tag.Repository(), digest)
	if err != nil {
		return nil
	}
	var found []string
	for _, m := range image.Manifests {
		found = append(found, m.Platform)
	}
	return slices.Compact(slices.Sorted(slices.Values(found)))
}

// platformRemedy names the wanted platform and, if they are known, the platforms of the image.
func platformRemedy(base *buildkit.BaseImageError, has []string) string {
	wanted := cmp.Or(base.Platform, "the builder's own platform")
	known := fmt.Sprintf("%s has no image for %s", base.Ref, wanted)
	if len(has) > 0 {
		known += ", only for " + strings.Join(has, ", ")
	}
	return known + ". Take a base image that has it, or build for another platform: change platforms, or --platform " +
		"where the Dockerfile names one"
}
