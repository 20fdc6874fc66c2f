package provider

import (
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
	cacheLimit      = 15 * time.Minute // for all caches of an image
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
	progress := startProgress(ctx)
	defer progress.stop()
	limit := settings.cacheLimit
	if limit == 0 {
		limit = cacheLimit
	}
	bounded, stop := context.WithTimeoutCause(ctx, limit, &cacheLimitError{limit})
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

// makesOnlyCaches tells whether caches are all that a build makes: nobody gets an image or a file.
func (op operation) makesOnlyCaches() bool { return !op.makesImage && !hasOtherExports(op.exports) }

// exportCaches writes the caches of one build on its builder. It returns an error for each cache that is not written,
// but for those with ignoreError, which it only mentions.
func (b *imageBuild) exportCaches(
	ctx context.Context, progress *progress, client *registry.Client,
) (losses []error) {
	own := *b
	own.progress = progress
	failed, err := own.exportWithRetry(ctx, client)
	for i, f := range failed {
		if i > 0 {
			err = client.ExplainPush(daemonCacheError(f))
		}
		loss := newCacheLoss(f.Cache, err)
		if f.Cache.Options["ignore-error"] == "true" {
			progress.log.infof("%v", loss)
			continue
		}
		losses = append(losses, loss)
	}
	return losses
}

// exportWithRetry writes the caches, and again those that failed for a reason that is likely to pass. It returns those
// that are not written, with the cause of the first.
func (b *imageBuild) exportWithRetry(
	ctx context.Context, client *registry.Client,
) (failed []buildkit.CacheExport, err error) {
	access := b.access
	for retry := client.PushRetry(); ; {
		failed = b.exportOnce(ctx, access)
		if len(failed) == 0 {
			return nil, nil
		}
		pause, err := retry.Next(ctx, daemonCacheError(failed[0]))
		if err == nil {
			err = pause.Wait(ctx)
		}
		if err != nil {
			return failed, err
		}
		access.CacheTo = nil
		for _, f := range failed {
			access.CacheTo = append(access.CacheTo, f.Cache)
		}
	}
}

// exportOnce dials the daemon and writes the caches. It shows how long each took, and returns those that are not
// written.
func (b *imageBuild) exportOnce(ctx context.Context, access buildkit.Access) (failed []buildkit.CacheExport) {
	daemon, err := b.connect(ctx)
	if err != nil {
		for _, c := range externalCaches(access.CacheTo) {
			failed = append(failed, buildkit.CacheExport{Cache: c, Err: err})
		}
		return failed
	}
	defer func() { _ = daemon.Close() }()
	for _, e := range buildkit.ExportCaches(ctx, daemon, b.op.plan, b.in, access, b.report) {
		switch {
		case e.Err != nil:
			failed = append(failed, e)
		case e.Empty:
			b.progress.log.infof("the cache %s is left as it is: the build has no layers", cacheName(e.Cache))
		default:
			b.progress.log.infof("wrote the cache %s in %s", cacheName(e.Cache), shortDuration(e.Took))
		}
	}
	return failed
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
