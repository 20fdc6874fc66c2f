package provider

import (
	"context"
	"errors"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// How long the plugin retries at registries.
const (
	pushLimit    = 5 * time.Minute // for a push, and for the tagging after it, unless pushTimeout is set
	deleteLimit  = 2 * time.Minute
	readLimit    = 20 * time.Second
	previewLimit = 15 * time.Second
)

// withinLimit returns a context that ends after the limit. Its cause is a limitError.
func withinLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, &limitError{limit: limit})
}

// apply makes the registry hold the image. It looks for the image there, builds and pushes it by digest if it is not
// there, verifies it, and moves the tags last. Then it writes the build caches and saves the cache mounts. apply can be
// repeated at any point and converges.
//
// If it fails before any tag moved, it returns an applyResult without tags. After that it returns one with the tags
// that moved. The field unsure is set when nobody knows which ones moved.
func (r *imageResource) apply(ctx context.Context, op operation) (applyResult, error) {
	r.notes.dropAllPromises()
	op.waits.enter("looking for the image in its registries")
	endSearch := op.times.begin("looking for the image in its registries")
	there, err := findImage(ctx, op)
	endSearch()
	if err != nil {
		return applyResult{}, err
	}
	logTakeOver(ctx, op, there.ok)
	result, built := newApplyResult(op, there), image{}
	if !there.ok {
		if err := checkTagsMove(ctx, r.settings, r.loader, op); err != nil {
			return applyResult{}, err
		}
		logWithoutImage(ctx, op)
		start, end := prepareRegistries(ctx, op)
		defer end()
		op.onPush = start
		if built, err = buildImage(ctx, r.settings, r.loader, op); err != nil {
			return applyResult{}, err
		}
		defer built.release()
		result.noteBuild(op, built)
	} else if len(op.missing) > 0 {
		logMissing(ctx, op)
		missing, err := buildImage(ctx, r.settings, r.loader, op.onlyMissing())
		if err != nil {
			return applyResult{}, err
		}
		defer missing.release()
	}
	if err := r.verifyAndTagInTime(ctx, op, &result, !there.ok); err != nil {
		return result, err
	}
	if err := exportCaches(ctx, r.settings, op, built.builds); err != nil {
		return applyResult{}, err
	}
	saveMounts(ctx, r.settings, op, built.builds)
	logTime(ctx, r.settings, op, doneText(op, there.ok))
	return result, nil
}

// doneText says what apply has done.
func doneText(op operation, reused bool) string {
	switch {
	case reused:
		return "done"
	case len(op.plan.Repositories) > 0:
		return "built and pushed"
	}
	return "built"
}

// verifyAndTagInTime calls verifyAndTag within pushTimeout. The error says what was waited for when that was over.
func (r *imageResource) verifyAndTagInTime(
	ctx context.Context, op operation, result *applyResult, isNew bool,
) error {
	limit := op.args.pushLimit()
	ctx, stop := context.WithTimeoutCause(ctx, limit, &limitError{limit: limit, input: "pushTimeout"})
	defer stop()
	defer op.waits.bind(ctx)()
	defer op.times.begin("reading the image back and moving its tags")()
	err := r.verifyAndTag(ctx, op, result, isNew)
	return op.waits.explain(err, result.outcome(op, err))
}

// verifyAndTag verifies a new image and points the tags at it. It records in the result which tags hold the image.
func (r *imageResource) verifyAndTag(ctx context.Context, op operation, result *applyResult, isNew bool) (err error) {
	if isNew {
		op.waits.enter("verifying the image")
		if result.manifests, err = verifyImage(ctx, op, result.digest); err != nil {
			return err
		}
	}
	if !isNew && op.takesOver && op.unchanged {
		lost, err := lostTags(ctx, op)
		if err != nil {
			return err
		}
		op.tags.list = op.tags.without(lost)
	}
	if alive := r.settings.engineAlive; alive != nil && !alive() {
		return errors.New("the engine that asked for this is gone: no tag was moved")
	}
	op.waits.enter("moving tags")
	result.tags, err = setTags(ctx, op, result.digest)
	result.unsure = errors.Is(err, fault.ErrUnsure) && len(result.tags) == 0 && op.old.digest != ""
	r.recentPushes.add(result.digest, references(result.tags))
	return err
}

// verifyImage reads the image back from every repository and returns the manifests of its platforms. It returns an
// error if a registry did not keep the image, or serves something else than was asked for.
func verifyImage(ctx context.Context, op operation, digest string) (found []registry.Manifest, err error) {
	want := registry.Expected{
		Platforms: op.platforms,
		Attested:  op.plan.Provenance != "" || op.plan.SBOM != "",
		Index:     op.plan.IsIndex(),
		AnyForm:   op.takesOver && op.unchanged,
	}
	for _, repository := range op.tags.repositories {
		held, err := op.client.Verify(ctx, repository, digest, want)
		if err != nil {
			return nil, err
		}
		found = held.Manifests
	}
	return found, nil
}

// setTags points every tag at the digest, one repository after the other. It returns the tags that hold the digest, in
// the order of the inputs.
func setTags(ctx context.Context, op operation, digest string) ([]registry.Tag, error) {
	var holding []registry.Tag
	for _, repository := range op.tags.repositories {
		moved, err := op.client.SetTags(ctx, repository, digest, op.tags.in(repository))
		holding = append(holding, moved...)
		if err != nil {
			return op.tags.among(holding), explainRegistry(err)
		}
	}
	return op.tags.among(holding), nil
}
