package provider

import (
	"context"
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// preview says what apply would do, and returns the outputs as far as they are known. It pushes nothing. An output that
// the update will change is unknown, unless the preview built the image.
func (r *imageResource) preview(ctx context.Context, op operation) (property.Map, error) {
	if line := describeChanges(r.loader.fromCheck(op), op); line != "" {
		loggerOf(ctx).infof("%s", line)
	}
	there, sure := findInPreview(ctx, op)
	if sure {
		logTakeOver(ctx, op, there.ok)
	}
	if op.takesOver && there.ok {
		lost, err := lostTags(ctx, op)
		op.tags.complete = op.tags.complete && err == nil && len(lost) == 0
	}
	built := image{digest: there.digest, hash: op.appliedHash("")}
	hashKnown := there.ok
	if !there.ok && (sure || op.pastDigest() == "") && op.buildsOnPreview() {
		var err error
		if built, err = r.previewBuild(ctx, op); err != nil {
			return property.Map{}, err
		}
		hashKnown = built.hash != "" && (built.digest != "" && sure || !op.makesImage)
		built.hash = op.appliedHash(built.hash)
		if !sure {
			built.digest = ""
		}
	}
	if there.ok && len(op.missing) > 0 && op.buildsOnPreview() {
		again, err := r.previewBuild(ctx, op.onlyMissing())
		if err != nil {
			return property.Map{}, err
		}
		built.built = again.built
	}
	warnOfImmutableTags(ctx, op, built.digest)
	r.notes.notePromise(op.urn, newPromise(op, built.digest, !built.built && (!there.ok || len(op.missing) > 0)))
	return previewOutputs(op, built, hashKnown), nil
}

// previewBuild builds as far as a preview can, or logs why it cannot. The digest is "" unless the update will make the
// same image.
func (r *imageResource) previewBuild(ctx context.Context, op operation) (image, error) {
	reason, bases, sure := obstacle(ctx, op, r.notes.promisesFor(op.urn), r.unpushed)
	if reason != "" {
		loggerOf(ctx).infof("not built in this preview: %s", reason)
		return image{}, nil
	}
	logWithoutImage(ctx, op)
	logMissing(ctx, op)
	op.awaitedBases = bases
	built, err := buildImage(ctx, r.settings, r.loader, op.withoutPush())
	if err != nil {
		return image{}, r.logUnbuilt(ctx, op, err)
	}
	logTime(ctx, r.settings, op, "built")
	built.release()
	if !sure || op.args.varies() || op.hasInlineCache() || !isKnown(op.inputs, "cacheTo") {
		built.digest = ""
	}
	if built.digest != "" && built.unpushed.content != nil {
		r.unpushed.add(built.unpushed)
	}
	return built, nil
}

// logUnbuilt logs why a preview could not build, and returns nil. It returns the error of a build that the update
// cannot do either.
func (r *imageResource) logUnbuilt(ctx context.Context, op operation, err error) error {
	missing, isMissing := missingBase(err, op.awaitedBases)
	switch {
	case isMissing:
		loggerOf(ctx).infof("not built in this preview: %s", missing.reason())
	case r.notes.promisesFor(op.urn).includesBaseOf(err):
		loggerOf(ctx).infof("not built in this preview: another image of this update makes what it needs: %v", err)
	case errors.As(err, new(*noBuilderError)):
		if r.settings.isFirst(noBuilderKey) {
			loggerOf(ctx).warnf("not built in this preview: %v", err)
		}
	case op.needsUnknownLogin(err):
		loggerOf(ctx).infof("not built in this preview, because a login in registries is not known yet: %v", err)
	default:
		return err
	}
	return nil
}

// needsUnknownLogin tells whether a build failed because a login is not known yet.
func (op operation) needsUnknownLogin(err error) bool {
	base, ok := errors.AsType[*buildkit.BaseImageError](err)
	return !isKnown(op.inputs, "registries") && (isRefused(err) || ok && base.Fault == buildkit.Denied)
}

// findInPreview looks for an image to reuse, as apply will. sure is false if tags or logins are unknown, or if a
// registry could not be asked: a build could then give another digest than the image that apply reuses.
func findInPreview(ctx context.Context, op operation) (there reuse, sure bool) {
	if !isKnown(op.inputs, imageInputs...) {
		return reuse{}, true
	}
	if !op.makesImage {
		return reuse{ok: op.isBuilt()}, true
	}
	if !op.tags.complete || !isKnown(op.inputs, "registries") {
		return reuse{}, op.pastDigest() == "" && len(op.tags.withHash) == 0
	}
	op.waits.enter("looking for the image in its registries")
	there, err := findImage(ctx, op)
	if err != nil {
		loggerOf(ctx).warnf("the digest will be known in the update only: %v", err)
	}
	return there, err == nil
}

// buildsOnPreview tells whether the preview shall build.
func (op operation) buildsOnPreview() bool {
	return op.args.BuildOnPreview == nil || *op.args.BuildOnPreview
}

// previewOutputs returns the outputs that the update will have, as far as they are known.
func previewOutputs(op operation, built image, hashKnown bool) property.Map {
	out := repeatedInputs(op.inputs)
	switch {
	case op.pinned && !hashKnown:
		out = out.Set("contextHash", unknownValue())
	case op.pinned:
		out = out.Set("contextHash", property.New(built.hash))
	}
	if !op.makesImage {
		return setReferences(out, "", nil, nil).Set("manifests", manifestsValue(nil, nil))
	}
	for _, key := range []string{"digest", "ref", "repoDigest", "refs", "manifests"} {
		out = out.Set(key, unknownValue())
	}
	tags := op.tags
	switch {
	case tags.complete && built.digest != "":
		out = setReferences(out, built.digest, references(tags.list), tags.repositories)
	case tags.complete:
		out = out.Set("refs", list(references(tags.list)))
	case built.digest != "":
		out = out.Set("digest", property.New(built.digest))
	}
	if ref, ok := op.localRef(); ok && !pushes(op.inputs) {
		out = out.Set("ref", property.New(ref))
	}
	kept := op.old.outputs.Get("manifests")
	if tags.complete && !kept.IsNull() && built.digest == op.old.digest && op.keepsRepository() {
		out = out.Set("manifests", kept)
	}
	return out
}

// keepsRepository tells whether the first repository, which manifests name, stays the same.
func (op operation) keepsRepository() bool {
	old := text(op.old.outputs, "repoDigest")
	if len(op.tags.repositories) == 0 {
		return old == ""
	}
	return old == op.tags.repositories[0]+"@"+op.old.digest
}
