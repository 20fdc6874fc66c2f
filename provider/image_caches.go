package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
)

// buildWithoutCaches calls buildOnce. If a cache cannot be written and the program ignores that, it calls buildOnce
// again without the cache.
func (b *imageBuild) buildWithoutCaches(ctx context.Context) error {
	for {
		err := b.buildOnce(ctx)
		lacks, reason := failedCaches(err)
		if lacks == nil || !slices.ContainsFunc(b.access.CacheTo, lacks) {
			return err
		}
		if err := b.dropCaches(lacks, reason); err != nil {
			return err
		}
	}
}

// failedCaches returns which caches may be those that ended a build with err, and why. It returns nil for any other
// error. An inline cache is written with the image.
func failedCaches(err error) (lacks func(buildkit.Cache) bool, reason error) {
	if stalled, ok := errors.AsType[*buildkit.StalledCacheError](err); ok {
		return func(c buildkit.Cache) bool { return c.Type != "inline" }, stalled
	}
	if failed, ok := errors.AsType[*buildkit.CacheSetupError](err); ok {
		return func(c buildkit.Cache) bool { return c.Type == failed.Type }, failed
	}
	return nil, nil
}

// dropCaches removes the cache exports that lacks selects. It returns an error if the program does not ignore the
// errors of all of them.
func (b *imageBuild) dropCaches(lacks func(buildkit.Cache) bool, reason error) error {
	for _, c := range b.access.CacheTo {
		if lacks(c) && c.Options["ignore-error"] != "true" {
			return fmt.Errorf("cacheTo: %w; look at the registry or the storage that it goes to, or set ignoreError "+
				"for it", reason)
		}
	}
	b.progress.log.warnf("cacheTo: %v; built without", reason)
	b.access.CacheTo = slices.DeleteFunc(slices.Clone(b.access.CacheTo), lacks)
	return nil
}
