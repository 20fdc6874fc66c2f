package provider

import (
	"context"
	"errors"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// preview tells what apply would do. Outputs that will change are unknown, unless the preview built the image and knows
// them. Nothing is pushed.
func (r *imageResource) preview(ctx context.Context, op operation) (property.Map, error) {
	if line := r.whatChanged(op); line != "" {
		p.GetLogger(ctx).Info(line)
	}
	digest, reused := r.reusable(ctx, op)
	if !reused && op.buildable() {
		op.args.Registries = op.knownLogins()
		built, err := r.build(ctx, op, nil)
		switch {
		case err != nil && op.wantsUnknownLogin(err):
			p.GetLogger(ctx).Infof("not built in this preview, because a login in registries is not known yet: %v", err)
		case err != nil:
			return property.Map{}, err
		}
		if digest = built.digest; op.args.varies() {
			digest = ""
		}
	}
	return op.previewOutputs(digest), nil
}

// knownLogins are the logins of which everything is known. A build can do without the others when nothing that it pulls is
// behind them: most often they are for the repository that the same update creates.
func (op operation) knownLogins() []Registry {
	given := op.inputs.Get("registries")
	if !given.IsArray() {
		return nil
	}
	var known []Registry
	for i, login := range given.AsArray().All {
		if !login.HasComputed() {
			known = append(known, op.args.Registries[i])
		}
	}
	return known
}

// refusals are how daemons say that a registry wants a login, or another one.
var refusals = []string{"401 Unauthorized", "403 Forbidden", "authorization failed", "unauthorized", "access denied"}

// wantsUnknownLogin tells whether a build failed for want of a login that is not known yet. A step that ran and failed did
// not.
func (op operation) wantsUnknownLogin(err error) bool {
	var step *buildkit.StepError
	if isKnown(op.inputs, "registries") || errors.As(err, &step) && step.ExitCode != 0 {
		return false
	}
	return slices.ContainsFunc(refusals, func(text string) bool { return strings.Contains(err.Error(), text) })
}

// reusable asks, as apply will, whether the image is there already. It returns true without a digest when that depends on
// tags that are not known yet: a build could then give another digest than the one that apply reuses.
func (r *imageResource) reusable(ctx context.Context, op operation) (digest string, reused bool) {
	if !isKnown(op.inputs, shaping...) {
		return "", false
	}
	tags, err := op.tags()
	switch {
	case !op.tagsKnown() || err != nil:
		return "", op.knownDigest() != ""
	case op.unchanged() && op.old.isIn(repositories(tags)):
		return op.old.digest, true
	case !isKnown(op.inputs, "registries"):
		return "", op.knownDigest() != ""
	}
	digest = alreadyThere(ctx, r.registryClient(op.args.Registries, previewLimit), op, repositories(tags)).digest
	return digest, digest != ""
}

// unchanged tells whether nothing that shapes the image is other than what was applied.
func (op operation) unchanged() bool {
	for _, key := range shaping {
		if !watched[key](op.old.outputs, op.inputs, key) {
			return false
		}
	}
	return op.old.digest != ""
}

// buildable tells whether the preview is to build and knows all that a build needs. Tags and logins are not needed: the
// repository may be created in the same update.
func (op operation) buildable() bool {
	needed := append(slices.Clone(shaping), "buildOnPreview", "context", "dockerfile", "secrets", "secretSources", "ssh", "noCache", "builder")
	return isKnown(op.inputs, needed...) && (op.args.BuildOnPreview == nil || *op.args.BuildOnPreview)
}

func (op operation) previewOutputs(digest string) property.Map {
	out := mirror(op.inputs)
	for _, key := range []string{"digest", "ref", "repoDigest", "refs", "manifests"} {
		out = out.Set(key, unknown())
	}
	tags, err := op.tags()
	tagsKnown := op.tagsKnown() && err == nil
	switch {
	case tagsKnown && digest != "":
		out = named(out, digest, references(tags), repositories(tags))
	case tagsKnown:
		out = out.Set("refs", list(references(tags)))
	case digest != "":
		out = out.Set("digest", property.New(digest))
	}
	if kept := op.old.outputs.Get("manifests"); tagsKnown && !kept.IsNull() && digest == op.old.digest && op.samePlace(tags) {
		out = out.Set("manifests", kept)
	}
	return out
}

// samePlace tells whether the first repository, which manifests name, stays the same.
func (op operation) samePlace(tags []registry.Tag) bool {
	names := repositories(tags)
	if len(names) == 0 {
		return text(op.old.outputs, "repoDigest") == ""
	}
	return text(op.old.outputs, "repoDigest") == names[0]+"@"+op.old.digest
}
