package provider

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// timeFacts are what decides which setting saves time in a phase of a solve.
type timeFacts struct {
	phase  buildkit.PhaseTime
	timing buildkit.Timing
	args   ImageArgs
	config Config

	platform     string // of the phase; "" if it is not known
	pushes       bool
	ownBuilder   bool // it is a BuildKit of the plugin
	ignoresFiles bool // an ignore file is in force, or none can be
	// emulates tells whether the builder emulates the platform.
	emulates func(context.Context) bool
}

// timeFacts returns what decides about the setting for a phase of the build.
func (b *imageBuild) timeFacts(phase buildkit.PhaseTime) timeFacts {
	platform := phase.Step.Platform
	if platform == "" {
		platform = b.platform
	}
	args := b.op.args
	if b.op.secretsChanged { // it is not the program that wants no cache
		args.NoCache = nil
	}
	return timeFacts{
		phase: phase, timing: b.built.Timing, args: args, config: b.settings.configuration(),
		platform: platform, pushes: pushes(b.op.inputs),
		ownBuilder:   b.builder.isEmbedded() || b.builder.container != nil,
		ignoresFiles: b.in.Ignore != nil || phase.What != b.op.plan.Files.Context,
		emulates:     func(ctx context.Context) bool { return b.emulates(ctx, platform) },
	}
}

// askLimit is how long the plugin waits for a builder that it asks only for the line about the time.
const askLimit = 2 * time.Second

// emulates tells whether the builder runs the steps of a platform by emulation. It returns false if that is not known.
func (b *imageBuild) emulates(ctx context.Context, platform string) bool {
	if platform == "" {
		return false
	}
	ctx, stop := context.WithTimeoutCause(ctx, askLimit, errors.New("the builder did not say what it serves"))
	defer stop()
	daemon, err := b.builder.connect(ctx)
	if err != nil {
		return false
	}
	defer func() { _ = daemon.Close() }()
	served, err := buildkit.AskServed(ctx, daemon)
	return err == nil && served.Serves(platform) && !served.Natively(platform)
}

// timeSettings are the settings that save time in a phase, by the phase that took longest. Each function returns a
// sentence, or "" if it knows no setting that would have helped.
var timeSettings = map[buildkit.Phase]func(context.Context, timeFacts) string{
	buildkit.RunningStep:       stepSetting,
	buildkit.PullingBase:       baseSetting,
	buildkit.ImportingCache:    importSetting,
	buildkit.SendingFiles:      filesSetting,
	buildkit.CompressingLayers: compressionSetting,
	buildkit.PushingLayers:     pushSetting,
}

// setting returns the sentence about the setting that saves time in the phase, or "".
func (f timeFacts) setting(ctx context.Context) string {
	if find := timeSettings[f.phase.Phase]; find != nil {
		return find(ctx, f)
	}
	return ""
}

// stepSetting is about a step of the Dockerfile.
func stepSetting(ctx context.Context, f timeFacts) string {
	if !strings.HasPrefix(f.phase.Step.Command, "RUN ") {
		return ""
	}
	tool := downloader.FindStringSubmatch(f.phase.Step.Command)
	isEmpty := f.timing.CachedSteps == 0 && f.pulledBase()
	switch {
	case deref(f.args.NoCache):
		return "noCache: without it, steps that have not changed come from the cache"
	case f.args.Builder == nil && !f.runsAsLongElsewhere() && f.emulates(ctx):
		return fmt.Sprintf("builders of the provider: %s is emulated here, and a builder that runs it natively is "+
			"faster", f.platform)
	case isEmpty && len(f.args.CacheFrom) == 0:
		return "cacheTo and cacheFrom: with them, a builder that has no cache, as this one, takes steps that have " +
			"not changed from a registry"
	case tool != nil && !isEmpty && len(f.args.CacheFrom) == 0 && !noToolCache.MatchString(f.phase.Step.Command):
		return fmt.Sprintf("RUN --mount=type=cache: with it, the builder keeps what %s downloads", tool[1])
	}
	return ""
}

// runsAsLongElsewhere tells whether the same step took at least half as long for another platform. Emulation is not
// what makes it slow then.
func (f timeFacts) runsAsLongElsewhere() bool {
	own := f.phase.Step
	return slices.ContainsFunc(f.timing.Phases, func(p buildkit.PhaseTime) bool {
		other := p.Step
		other.Platform = own.Platform
		return p.Step != own && other == own && p.Took*2 >= f.phase.Took
	})
}

// downloader matches a command that downloads packages and keeps them in a cache of its own.
var downloader = regexp.MustCompile(`(?:^|[\s;&|(/])` +
	`(npm|yarn|pnpm|pip3?|poetry|uv|go|cargo|mvn|gradle|composer|dotnet)` +
	`(?:\s+-\S+)*\s+(?:ci|install|i|build|mod download|fetch|package|restore|publish|sync)(?:[\s;&|)]|$)`)

// noToolCache matches a step that has a cache mount, or a command that shall keep no cache.
var noToolCache = regexp.MustCompile(`--mount=\S*type=cache|--no-cache`)

// pulledBase tells whether the builder had to download a base image.
func (f timeFacts) pulledBase() bool {
	return slices.ContainsFunc(f.timing.Phases, func(p buildkit.PhaseTime) bool {
		return p.Phase == buildkit.PullingBase && p.Downloading > 0
	})
}

// baseSetting is about a base image. A mirror does not help to unpack it.
func baseSetting(_ context.Context, f timeFacts) string {
	host := f.phase.Host
	hasMirror := len(f.config.mirrors()[registry.Host(host)]) > 0
	if !f.ownBuilder || hasMirror || f.phase.Downloading*2 < f.phase.Took {
		return ""
	}
	return fmt.Sprintf("mirrors of the provider: a mirror of %s near the builder sends its images faster", host)
}

// importSetting is about a cache that is read.
func importSetting(_ context.Context, f timeFacts) string {
	if f.timing.CachedSteps > 0 || len(f.args.CacheFrom) == 0 {
		return ""
	}
	return "cacheFrom: no step of this build came from a cache"
}

// filesSetting is about files that are sent to the builder.
func filesSetting(_ context.Context, f timeFacts) string {
	switch {
	case f.args.Watch != nil && *f.args.Watch == WatchAll:
		return "watch: auto, which is the default, sends only what the Dockerfile reads"
	case !f.ignoresFiles:
		return ".dockerignore: there is none; it leaves out what no step needs"
	}
	return ""
}

// compressionSetting is about the compression of layers. zstd compressed 140 MB of Go's programs and sources in 2.5 s,
// gzip in 24 s, and in 5.7 s at level 1.
func compressionSetting(_ context.Context, f timeFacts) string {
	options := optionMap(imageOptions(f.args))
	needsGzip := options["oci-mediatypes"] != "" && !options.isOn("oci-mediatypes")
	if used := options["compression"]; !f.pushes || needsGzip || used != "" && used != string(CompressionGzip) {
		return ""
	}
	return "compression in exports.image: zstd is faster than gzip, if everything that pulls the image can read it"
}

// pushSetting is about a push. zstd sent 3 % less than gzip, which nobody notices.
func pushSetting(_ context.Context, f timeFacts) string {
	if imageOptions(f.args)["compression"] != string(CompressionUncompressed) {
		return ""
	}
	return "compression: gzip and zstd send less than uncompressed"
}

// turnSetting is about an image that waits for other images.
func turnSetting(config Config) func(context.Context) string {
	return func(context.Context) string {
		if config.MaxParallelBuilds == nil {
			return ""
		}
		return fmt.Sprintf("maxParallelBuilds of the provider: it is %d, and a higher number builds more images at "+
			"once", *config.MaxParallelBuilds)
	}
}

// exportSetting is about the caches that builds write. With one stage both modes write the same.
func exportSetting(builds []*imageBuild) func(context.Context) string {
	return func(context.Context) string {
		isMax := func(c buildkit.Cache) bool { return c.Options["mode"] == string(CacheModeMax) }
		for _, b := range builds {
			all := externalCaches(b.access.CacheTo)
			if b.built.Timing.Stages < 2 || slices.ContainsFunc(all, func(c buildkit.Cache) bool { return !isMax(c) }) {
				return ""
			}
		}
		return "cacheTo: mode min writes the layers of the image only, and not those of every stage"
	}
}
