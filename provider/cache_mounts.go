package provider

import (
	"cmp"
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/mounts/folder"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/file"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/shipped"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// Limits of cache mounts.
const (
	mountSize    = 1 << 30         // of one mount, unless maxSize is set
	restoreLimit = 5 * time.Minute // for all mounts of a build, which waits for them
)

// cacheMounts returns where the cache mounts of a build are kept. It returns nil if the program does not say, or if
// that is not known in this preview.
//
// Builders that build one platform each have tags of their own, so that none replaces the mounts of another. The first
// time they restore what a builder of all platforms has saved, and the other way around.
func (b *imageBuild) cacheMounts(ctx context.Context) *buildkit.CacheMounts {
	given := b.op.args.CacheMounts
	if given == nil || b.op.inputs.Get("cacheMounts").HasComputed() {
		return nil
	}
	repository, err := mountRepository(deref(given.Ref))
	if err != nil {
		return nil // Check has refused it
	}
	limit := b.settings.mountLimit
	m := &buildkit.CacheMounts{
		Repository: repository, IDs: given.IDs, MaxSize: given.size(), Limit: cmp.Or(limit, restoreLimit),
		Insecure: len(b.op.keychain.Insecure([]string{repository})) > 0,
		Found:    b.finished.addMountIDs,
		Find:     b.findMount(ctx, repository), Helper: readMountHelper, Dial: b.builder.connect,
		Secrets: b.settings.secrets.all,
		Report:  func(r buildkit.MountResult) { b.reportMount(r, repository) },
	}
	if b.platform != "" {
		m.Suffix, m.Others = platformSuffix(b.platform), []string{""}
	} else if len(b.op.plan.Platforms) > 1 {
		for _, platform := range b.op.plan.Platforms {
			m.Others = append(m.Others, platformSuffix(platform))
		}
	}
	return m
}

// platformSuffix returns the end of the tags of a platform.
func platformSuffix(platform string) string { return "-" + strings.ReplaceAll(platform, "/", "-") }

// size returns maxSize, or its default.
func (c *CacheMounts) size() int64 {
	if bytes, err := parseSize(deref(c.MaxSize)); err == nil {
		return bytes
	}
	return mountSize
}

// findMount returns the function that looks for a mount in a repository.
func (b *imageBuild) findMount(
	ctx context.Context, repository string,
) func(context.Context, string) (buildkit.StoredMount, error) {
	client := b.settings.registryClient(ctx, b.op.waits, b.op.keychain, previewLimit)
	return func(ctx context.Context, tag string) (buildkit.StoredMount, error) {
		parsed, err := registry.ParseTag(repository + ":" + tag)
		if err != nil {
			return buildkit.StoredMount{}, err
		}
		ctx, stop := withinLimit(ctx, cmp.Or(b.settings.mountLimit, previewLimit))
		defer stop()
		found, exists, err := client.Annotations(ctx, parsed)
		if err == nil && !exists {
			err = buildkit.ErrNoStoredMount
		}
		return buildkit.StoredMount(found), err
	}
}

// readMountHelper reads the program that runs in the steps on cache mounts.
func readMountHelper(ctx context.Context, arch string) ([]byte, error) {
	found, err := shipped.Find(arch, folder.Program)
	if err != nil {
		return nil, err
	}
	return file.Read(ctx, found[0], math.MaxInt32)
}

// saveMounts saves the cache mounts of an image whose tags have moved, on every builder that has built a part of it. It
// saves nothing if the image was not pushed. Other images build meanwhile. No failure of it fails the update.
//
// If several builders build the test targets before the image, their mounts are saved with those of the image.
func saveMounts(ctx context.Context, settings *settings, op operation, finished *finishedBuilds) {
	builds := finished.withMounts()
	given := op.args.CacheMounts
	if len(builds) == 0 || given.Save != nil && !*given.Save || len(op.plan.Repositories) == 0 {
		return
	}
	op.waits.enter("saving cache mounts")
	defer op.times.begin("saving the cache mounts")()
	progress := startProgress(ctx)
	defer progress.stop()
	limit := cmp.Or(settings.cacheLimit, cacheLimit)
	bounded, stop := context.WithTimeoutCause(ctx, limit, &cacheLimitError{limit})
	defer stop()
	var group sync.WaitGroup
	for _, b := range builds {
		own := *b
		own.progress, own.op.plan.TestTargets = progress, op.plan.TestTargets
		own.access.CacheMounts = own.cacheMounts(ctx)
		own.access.CacheMounts.Before = b.access.CacheMounts
		lost := func(err error) {
			own.reportMount(buildkit.MountResult{Saving: true, Err: err}, own.access.CacheMounts.Repository)
		}
		rescue.GoGroup(&group, lost, func() { own.saveMounts(bounded) })
	}
	group.Wait()
}

// warnOfUnknownMounts warns of ids of cacheMounts that neither the image nor its test targets have, on any platform.
func warnOfUnknownMounts(job imageJob) {
	found, isKnown := job.finished.mountIDs()
	if given := job.op.args.CacheMounts; given != nil && isKnown {
		for _, text := range unknownMounts(given.IDs, found) {
			job.progress.log.warnf("%s", text)
		}
	}
}

// saveMounts saves the cache mounts of one build.
func (b *imageBuild) saveMounts(ctx context.Context) {
	repository := b.access.CacheMounts.Repository
	results, err := buildkit.SaveMounts(ctx, b.op.plan, b.in, b.access, b.report)
	for _, r := range results {
		if errors.As(r.Err, new(*buildkit.PushError)) {
			r.Err = b.pushedMountError(ctx, r.Err)
		}
		b.reportMount(r, repository)
	}
	if err != nil && len(results) == 0 {
		b.reportMount(buildkit.MountResult{Saving: true, Err: err}, repository)
	}
}

// pushedMountError returns what package registry makes of a push that failed. It is not tried again: the next build
// saves the mount.
func (b *imageBuild) pushedMountError(ctx context.Context, err error) error {
	_, explained := b.client.PushRetry().Next(ctx, daemonError(err))
	if pushed, ok := errors.AsType[*registry.PushError](explained); ok { // the mount is named in its place
		explained = pushed.Unwrap()
	}
	return cmp.Or(explained, err)
}

// reportMount says what became of a cache mount. A person who cancels needs no word of mounts.
func (b *imageBuild) reportMount(r buildkit.MountResult, repository string) {
	switch {
	case errors.Is(r.Err, context.Canceled):
	case r.Err != nil:
		if text := mountWarning(r, repository); b.progress.isFirstWarning(text) {
			b.progress.log.warnf("%s", text)
		}
	case r.Done:
		b.progress.log.infof("%s", mountLine(r))
	}
	if text := leftOutText(r); text != "" && r.Saving {
		b.progress.log.infof("%s", text)
	}
	if len(r.WithSecret) > 0 {
		b.progress.log.warnf("%s", secretInMount(r))
	}
}
