package provider

import (
	"context"
	"errors"

	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// preview says what apply would do, and returns the outputs as far as they are known. It reads the sources and writes
// nothing.
func (op indexOperation) preview(ctx context.Context, notes *notes) (property.Map, error) {
	out := mirrorIndex(op.inputs)
	if !op.pushes {
		return setNoIndex(out, op.inputs.Get("tag")), nil
	}
	for _, name := range []string{"digest", "ref", "repoDigest", "manifests"} {
		out = out.Set(name, unknownValue())
	}
	index, err := op.predict(ctx)
	if err != nil {
		return property.Map{}, err
	}
	promised := promise{Digest: index.Digest, Past: text(op.old.outputs, "repoDigest")}
	for _, m := range index.Manifests {
		promised.Platforms = append(promised.Platforms, m.Platform)
	}
	if op.tag != (registry.Tag{}) {
		promised.Refs = []string{op.tag.String()}
	}
	notes.notePromise(op.urn, promised)
	if index.Digest == "" || !isKnown(op.inputs, "tag", "push") {
		return out, nil
	}
	op.warnOfImmutableTag(ctx, index.Digest)
	repository := op.tag.Repository()
	return setIndex(out, op.tag.String(), repository, index.Digest).
		Set("manifests", manifestsValue(index.Manifests, []string{repository})), nil
}

// predict returns the index that apply will make, or a zero Index if that is not known yet. The error is one that apply
// will have as well.
func (op indexOperation) predict(ctx context.Context) (registry.Index, error) {
	if !isKnown(op.inputs, "sources", "platforms", "annotations", "sourceDigests") || !op.hasDigests() {
		return registry.Index{}, nil
	}
	op.waits.enter("reading the sources")
	bounded, stop := withinLimit(ctx, previewLimit)
	defer stop()
	defer op.waits.bind(bounded)()
	sources, _, err := op.resolve(bounded)
	var index registry.Index
	if err == nil {
		index, err = op.client.Combine(bounded, op.indexRequest(sources))
	}
	switch {
	case err == nil:
		return index, nil
	case ctx.Err() != nil, isDefinite(err):
		return registry.Index{}, err
	case op.awaitsSource(sources), isRefused(err) && !isKnown(op.inputs, "registry"):
		return registry.Index{}, nil
	}
	loggerOf(ctx).warnf("the digest will be known in the update only: %v", explainSource(op.waits.explain(err, "")))
	return registry.Index{}, nil
}

// hasDigests tells whether the digest of every source is known. Check has warned of the others.
func (op indexOperation) hasDigests() bool {
	for _, source := range op.args.Sources {
		ref, err := registry.ParseReference(source)
		if err != nil || ref.Digest == "" && op.args.SourceDigests[source] == "" {
			return false
		}
	}
	return true
}

// isDefinite tells whether an index cannot be made of these sources, whatever the update does before.
func isDefinite(err error) bool {
	problem, ok := errors.AsType[*fault.Error](err)
	return ok && (problem.Kind == fault.PlatformMissing || problem.Kind == fault.PlatformTwice ||
		problem.Kind == fault.NotAnImage)
}

// awaitsSource tells whether another resource of this update pushes a source first.
func (op indexOperation) awaitsSource(sources []registry.IndexSource) bool {
	for _, source := range sources {
		if _, ok := op.promised.byDigest(source.Repository, source.Digest); ok {
			return true
		}
	}
	return false
}

// warnOfImmutableTag logs in a preview that the update cannot move the tag. That is no error: the update itself may
// make the tag mutable.
func (op indexOperation) warnOfImmutableTag(ctx context.Context, digest string) {
	if !isKnown(op.inputs, "registry") {
		return
	}
	ctx, stop := withinLimit(ctx, tagCheckLimit)
	defer stop()
	err := op.client.CheckTags(ctx, op.tag.Repository(), []registry.Tag{op.tag}, digest)
	if errors.Is(err, fault.ErrImmutableTag) {
		loggerOf(ctx).warnf("the update will fail: %v", err)
	}
}
