package provider

import (
	"context"
	"errors"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
)

// glance is how long a preview waits to hear whether tags can move.
const glance = 5 * time.Second

// checkTags is an error when it can be known before the build that the tags could not be pointed at it: a repository is missing, or a tag
// is immutable. Such a tag may hold the very image that the build would give, of an update whose state was lost for example. To know that,
// it is built here, for once, without a push.
func (r *imageResource) checkTags(ctx context.Context, client *registry.Client, op operation, tags []registry.Tag) error {
	err := tagsMove(ctx, client, tags, "")
	if !errors.Is(err, fault.ErrImmutableTag) || errors.Is(err, fault.ErrNoRepository) || op.args.varies() {
		return err
	}
	built, err := r.build(ctx, op.inPreview(), nil)
	if err != nil {
		return err
	}
	return tagsMove(ctx, client, tags, built.digest)
}

// warnOfTags says in a preview that the update will not be able to move a tag. It is no error: the update itself may be what lets it move.
func (r *imageResource) warnOfTags(ctx context.Context, op operation, digest string) {
	tags, err := op.tags()
	if err != nil || digest == "" || !op.tagsKnown() || !isKnown(op.inputs, "registries") {
		return
	}
	ctx, stop := withinLimit(ctx, glance)
	defer stop()
	if err := tagsMove(ctx, r.registryClient(nil, op.args.Registries, glance), tags, digest); errors.Is(err, fault.ErrImmutableTag) {
		loggerOf(ctx).warningf("the update will fail: %v", err)
	}
}

// tagsMove asks, repository by repository, what is known to keep the tags from being pointed at the digest; "" is one not known yet.
func tagsMove(ctx context.Context, client *registry.Client, tags []registry.Tag, digest string) error {
	var inTheWay []error
	for _, repository := range repositories(tags) {
		inTheWay = append(inTheWay, explainRegistry(client.CheckTags(ctx, repository, tagsOf(repository, tags), digest)))
	}
	return errors.Join(inTheWay...)
}
