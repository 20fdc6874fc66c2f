package provider

import (
	"context"
	"errors"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// preview tells what apply would do. Outputs that will change are unknown, unless the preview built the image and knows
// them. Nothing is pushed.
func (r *imageResource) preview(ctx context.Context, op operation) (property.Map, error) {
	if line := r.describeChanges(op); line != "" {
		loggerOf(ctx).infof("%s", line)
	}
	there, sure := r.reusable(ctx, op)
	digest, hash, settled := there.digest, op.appliedHash(""), there.ok
	if !there.ok && (sure || op.knownDigest() == "") && op.buildsOnPreview() {
		built, err := r.previewBuild(ctx, op)
		if err != nil {
			return property.Map{}, err
		}
		hash, settled = op.appliedHash(built.hash), built.hash != ""
		if digest = built.digest; !sure {
			digest = ""
		}
		settled = settled && (digest != "" || !op.makesImage)
	}
	r.warnOfTags(ctx, op, digest)
	r.notes.notePromise(op.urn, op.newPromise(digest, !there.ok))
	out := op.previewOutputs(digest)
	switch {
	case op.pinned && !settled:
		out = out.Set("contextHash", unknown())
	case op.pinned:
		out = out.Set("contextHash", property.New(hash))
	}
	return out, nil
}

// previewBuild builds as far as a preview can, or says in a line why not. The digest is "" unless the update will make the
// same.
func (r *imageResource) previewBuild(ctx context.Context, op operation) (image, error) {
	reason, sure := r.obstacle(ctx, op)
	if reason != "" {
		loggerOf(ctx).infof("not built in this preview: %s", reason)
		return image{}, nil
	}
	op.logWithoutImage(ctx)
	built, err := r.build(ctx, op.inPreview(), nil)
	switch {
	case err != nil && r.notes.promises(op.urn).explains(err):
		loggerOf(ctx).infof("not built in this preview: another image of this update makes what it needs: %v", err)
	case errors.As(err, new(*noBuilderError)):
		if r.isFirst(noBuilderKey) {
			loggerOf(ctx).warningf("not built in this preview: %v", err)
		}
		built = image{}
	case err != nil && op.wantsUnknownLogin(err):
		loggerOf(ctx).infof("not built in this preview, because a login in registries is not known yet: %v", err)
	case err != nil:
		return image{}, err
	}
	if !sure || op.args.varies() || !isKnown(op.inputs, "cacheTo") {
		built.digest = ""
	}
	return built, nil
}

// known are the elements of a list of which everything is known. A build can do without the others: caches only save time,
// and a login that is not known is most often for the repository that the same update creates.
func known[T any](given property.Value, decoded []T) (complete []T) {
	if !given.IsArray() {
		return nil
	}
	for i, e := range given.AsArray().All {
		if !e.HasComputed() {
			complete = append(complete, decoded[i])
		}
	}
	return complete
}

// wantsUnknownLogin reports whether a build failed for want of a login that is not known yet.
func (op operation) wantsUnknownLogin(err error) bool {
	base, ok := errors.AsType[*buildkit.BaseImageError](err)
	return !isKnown(op.inputs, "registries") && (isRefused(err) || ok && base.Fault == buildkit.Denied)
}

// reusable asks, as apply will, whether the image is there already. It is not sure when that depends on
// what is not known yet, or when nobody told: a build could then give another digest than the one that apply reuses.
func (r *imageResource) reusable(ctx context.Context, op operation) (there reuse, sure bool) {
	if !isKnown(op.inputs, imageInputs...) {
		return reuse{}, true
	}
	if !op.makesImage {
		return reuse{ok: op.isBuilt()}, true
	}
	tags, err := op.tags()
	if err != nil || !op.tagsKnown() || !isKnown(op.inputs, "registries") {
		return reuse{}, op.knownDigest() == "" && len(op.hashTags()) == 0
	}
	op.waits.enter("looking for the image in its registries")
	there, err = alreadyThere(ctx, r.registryClient(op.waits, op.args.Registries, previewLimit), op, repositories(tags))
	if err != nil {
		loggerOf(ctx).warningf("the digest will be known in the update only: %v", err)
	}
	return there, err == nil
}

// unchanged tells whether nothing that shapes the image is other than what was applied.
func (op operation) unchanged() bool {
	for _, in := range inputTable {
		if in.hash == nil || in.name == "contextHash" && op.pinned {
			continue
		}
		if !in.equal(op.old.outputs, op.inputs, in.name) {
			return false
		}
	}
	return op.old.isApplied()
}

// buildsOnPreview tells whether the preview is to build.
func (op operation) buildsOnPreview() bool {
	return op.args.BuildOnPreview == nil || *op.args.BuildOnPreview
}

// inPreview is the operation without what it would leave behind, and without logins and caches that are not known yet. How
// the image is written stays, and an inline cache is part of it.
func (op operation) inPreview() operation {
	op.args.Registries = known(op.inputs.Get("registries"), op.args.Registries)
	op.args.CacheFrom = known(op.inputs.Get("cacheFrom"), op.args.CacheFrom)
	op.args.CacheTo = slices.DeleteFunc(slices.Clone(op.args.CacheTo), func(c CacheTo) bool { return c.Inline == nil })
	op.args.Exports = slices.DeleteFunc(slices.Clone(op.args.Exports), func(e Export) bool {
		form, err := e.toExport()
		return err != nil || !form.isImage()
	})
	op.args.Load = nil
	return op
}

func (op operation) previewOutputs(digest string) property.Map {
	out := mirror(op.inputs)
	if !op.makesImage {
		return named(out, "", nil, nil).Set("manifests", manifests(nil, nil))
	}
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
