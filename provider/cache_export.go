package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// Limits of the export of caches. The image is there by then, so nobody should wait long.
const (
	cacheLimit      = 15 * time.Minute // for all caches of an image; see withinCacheLimit
	cacheRetryLimit = 30 * time.Second // for further tries at a registry
)

// exportCaches writes the caches of an image whose tags have moved, on every builder that has built a part of it. Other
// images build meanwhile, because the image has given its turn back.
//
// A cache that cannot be written gives a warning: the image is there. If the build makes nothing else, exportCaches
// returns an error. That leaves the state as it was, so that the next update tries again.
func exportCaches(ctx context.Context, settings *settings, op operation, finished *finishedBuilds) error {
	builds := finished.withCaches()
	if len(builds) == 0 {
		return nil
	}
	op.waits.enter("writing the build cache")
	defer op.times.beginWith("writing the build cache", exportSetting(builds))()
	progress := startProgress(ctx)
	defer progress.stop()
	bounded, stop := withinCacheLimit(ctx, settings, op)
	defer stop()
	client := settings.registryClient(ctx, op.waits, op.keychain, cacheRetryLimit)
	lost := make([][]error, len(builds))
	var group sync.WaitGroup
	for i, b := range builds {
		rescue.GoGroup(&group, func(err error) { lost[i] = []error{fmt.Errorf("cacheTo: %w", err)} }, func() {
			lost[i] = b.exportCaches(bounded, progress, client)
		})
	}
	group.Wait()
	all := slices.Concat(lost...)
	if op.makesOnlyCaches() {
		return errors.Join(all...)
	}
	for _, err := range all {
		progress.log.warnf("%v. The image is complete without it, and the next build writes it", err)
	}
	return nil
}

// withinCacheLimit returns a context for the caches of an image, which ends after cacheLimit. If the build makes
// nothing else, there is no limit: the caches are what the update is for, and they may be large.
func withinCacheLimit(ctx context.Context, settings *settings, op operation) (context.Context, context.CancelFunc) {
	if op.makesOnlyCaches() {
		return ctx, func() {}
	}
	limit := cmp.Or(settings.cacheLimit, cacheLimit)
	return context.WithTimeoutCause(ctx, limit, &cacheLimitError{limit})
}

// makesOnlyCaches tells whether caches are all that a build makes: nobody gets an image or a file.
func (op operation) makesOnlyCaches() bool { return !op.makesImage && !hasOtherExports(op.exports) }

// exportCaches writes the caches of one build on its builder. It returns an error for each cache that is not written,
// but for those with ignoreError, which it only mentions.
func (b *imageBuild) exportCaches(
	ctx context.Context, progress *progress, client *registry.Client,
) (losses []error) {
	own := *b
	own.progress = progress
	for _, loss := range own.exportWithRetry(ctx, client) {
		if loss.cache.Options["ignore-error"] == "true" {
			progress.log.infof("%v", loss)
			continue
		}
		losses = append(losses, loss)
	}
	return losses
}

// exportWithRetry writes the caches, and again each one that failed for a reason that is likely to pass. It returns
// those that are not written, each with its cause.
func (b *imageBuild) exportWithRetry(ctx context.Context, client *registry.Client) (losses []*cacheLoss) {
	access := b.access
	access.CacheTo = externalCaches(access.CacheTo)
	retries := make([]*registry.PushRetry, len(access.CacheTo))
	for i := range retries {
		retries[i] = client.PushRetry()
	}
	for len(retries) > 0 {
		var caches []buildkit.Cache // that are written again
		var left []*registry.PushRetry
		var longest registry.PushPause
		for i, e := range b.exportOnce(ctx, access) {
			if e.Err == nil {
				continue
			}
			pause, err := retries[i].Next(ctx, daemonCacheError(e))
			if err != nil {
				losses = append(losses, newCacheLoss(e.Cache, err))
				continue
			}
			caches, left = append(caches, e.Cache), append(left, retries[i])
			if pause.Length() > longest.Length() {
				longest = pause
			}
		}
		access.CacheTo, retries = caches, left
		if err := longest.Wait(ctx); err != nil {
			for _, c := range caches {
				losses = append(losses, newCacheLoss(c, err))
			}
			return losses
		}
	}
	return losses
}

// exportOnce dials the daemon and writes the caches, none of which is inline. It shows how long each took, and returns
// what became of each.
func (b *imageBuild) exportOnce(ctx context.Context, access buildkit.Access) (all []buildkit.CacheExport) {
	daemon, err := b.connect(ctx)
	if err != nil {
		for _, c := range access.CacheTo {
			all = append(all, buildkit.CacheExport{Cache: c, Err: err})
		}
		return all
	}
	defer func() { _ = daemon.Close() }()
	all = buildkit.ExportCaches(ctx, daemon, b.op.plan, b.in, access, b.report)
	for _, e := range all {
		switch {
		case e.Err != nil:
		case e.Empty:
			b.progress.log.infof("the cache %s is left as it is: the build has no layers", cacheName(e.Cache))
		default:
			b.progress.log.infof("wrote the cache %s in %s", cacheName(e.Cache), shortDuration(e.Took))
		}
	}
	return all
}

// externalCaches returns the caches that are not a part of the image.
func externalCaches(all []buildkit.Cache) []buildkit.Cache {
	return slices.DeleteFunc(slices.Clone(all), buildkit.Cache.IsInline)
}

// daemonCacheError returns the error of a cache as package registry reads it. Only that of a cache in a registry is
// about one.
func daemonCacheError(e buildkit.CacheExport) error {
	refused, ok := errors.AsType[*buildkit.CacheError](e.Err)
	if !ok || e.Cache.Type != "registry" {
		return e.Err
	}
	tag, err := registry.ParseTag(e.Cache.Options["ref"])
	if err != nil {
		return e.Err
	}
	return &registry.DaemonError{Repository: tag.Repository(), Text: refused.Text, Cause: refused}
}

// cacheLimitError is the cause of a context whose caches took too long.
type cacheLimitError struct{ limit time.Duration }

// Error names the limit.
func (e *cacheLimitError) Error() string {
	return fmt.Sprintf("it took longer than %s, which is all that caches are given", e.limit)
}
