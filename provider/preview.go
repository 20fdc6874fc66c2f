package provider

import (
	"context"
	"slices"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// preview tells what apply would do. Outputs that will change are unknown, unless the preview built the image and knows
// them. Nothing is pushed.
func (r *imageResource) preview(ctx context.Context, op operation) (property.Map, error) {
	if line := r.whatChanged(op); line != "" {
		p.GetLogger(ctx).Info(line)
	}
	digest, reused := r.reusable(ctx, op)
	hash := op.appliedHash("")
	if !reused && op.buildable() {
		built, err := r.build(ctx, op, nil)
		if err != nil {
			return property.Map{}, err
		}
		digest, hash = built.digest, op.appliedHash(built.hash)
	}
	out := op.previewOutputs(digest)
	switch {
	case op.pinned && digest == "":
		out = out.Set("contextHash", unknown())
	case op.pinned:
		out = out.Set("contextHash", property.New(hash))
	}
	return out, nil
}

// reusable asks, as apply will, whether the image is there already. It returns true without a digest when that depends on
// what is not known yet, or could not be determined: a build could then give another digest than the one that apply reuses.
func (r *imageResource) reusable(ctx context.Context, op operation) (digest string, reused bool) {
	if !isKnown(op.inputs, shaping...) || op.knownDigest() == "" {
		return "", false
	}
	tags, err := op.tags()
	if err != nil || !isKnown(op.inputs, "tags", "push", "registries") {
		return "", true
	}
	digest, _, err = alreadyThere(ctx, r.registryClient(op.args.Registries), op, repositories(tags))
	if err != nil {
		p.GetLogger(ctx).Warningf("the digest is not known before the update: %v", err)
		return "", true
	}
	return digest, digest != ""
}

// unchanged tells whether nothing that shapes the image is other than what was applied.
func (op operation) unchanged() bool {
	for _, key := range shaping {
		if key == "contextHash" && op.pinned {
			continue
		}
		if !watched[key](op.old.outputs, op.inputs, key) {
			return false
		}
	}
	return op.old.digest != ""
}

// buildable tells whether the preview is to build and knows all that a build needs. Tags are not needed: the repository
// may be created in the same update.
func (op operation) buildable() bool {
	needed := append(slices.Clone(shaping), "buildOnPreview", "context", "dockerfile", "registries", "builder")
	return isKnown(op.inputs, needed...) && (op.args.BuildOnPreview == nil || *op.args.BuildOnPreview)
}

func (op operation) previewOutputs(digest string) property.Map {
	out := mirror(op.inputs)
	for _, key := range []string{"digest", "ref", "repoDigest", "refs", "manifests"} {
		out = out.Set(key, unknown())
	}
	tags, err := op.tags()
	tagsKnown := isKnown(op.inputs, "tags", "push") && err == nil
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
