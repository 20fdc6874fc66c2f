package provider

import (
	"context"
	"errors"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// tagCheckLimit is how long a preview waits to hear whether tags can move.
const tagCheckLimit = 5 * time.Second

// checkTagsMove returns an error if the tags cannot be pointed at a new image: a repository is missing, or a tag is
// immutable.
//
// An immutable tag may hold the very image that the build would give, as after an update whose state was lost. To find
// out, checkTagsMove builds the image without a push.
func checkTagsMove(ctx context.Context, settings *settings, loader *inputsLoader, op operation) error {
	err := tagMoveError(ctx, op, "")
	if !errors.Is(err, fault.ErrImmutableTag) || errors.Is(err, fault.ErrNoRepository) || op.args.varies() {
		return err
	}
	built, err := buildImage(ctx, settings, loader, op.withoutOutput())
	if err != nil {
		return err
	}
	defer built.release()
	return tagMoveError(ctx, op, built.digest)
}

// warnOfImmutableTags logs in a preview that the update cannot move a tag. That is no error: the update itself may make
// the tag mutable.
func warnOfImmutableTags(ctx context.Context, op operation, digest string) {
	if digest == "" || !op.tags.complete || !isKnown(op.inputs, "registries") {
		return
	}
	ctx, stop := withinLimit(ctx, tagCheckLimit)
	defer stop()
	if err := tagMoveError(ctx, op, digest); errors.Is(err, fault.ErrImmutableTag) {
		loggerOf(ctx).warnf("the update will fail: %v", err)
	}
}

// tagMoveError asks each repository and returns what keeps the tags from being pointed at the digest. The digest is ""
// if it is not known yet.
func tagMoveError(ctx context.Context, op operation, digest string) error {
	var failures []error
	for _, repository := range op.tags.repositories {
		err := op.client.CheckTags(ctx, repository, op.tags.in(repository), digest)
		failures = append(failures, explainRegistry(err))
	}
	return errors.Join(failures...)
}
