package provider

import (
	"context"
	"errors"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// prepareRegistries returns start, which prepares the registries of the tags for what follows the push, once and in the
// background. The caller calls end, which returns when nothing runs any more.
func prepareRegistries(ctx context.Context, op operation) (start, end func()) {
	ctx, stop := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	failed := func(err error) { newDebugLog(ctx).Debug("registry not prepared", "reason", err.Error()) }
	start = sync.OnceFunc(func() {
		for _, repository := range op.tags.repositories {
			rescue.GoGroup(&group, failed, func() { op.client.Prepare(ctx, repository, op.tags.in(repository)) })
		}
	})
	return start, func() {
		stop(errors.New("the update has ended"))
		group.Wait()
	}
}
