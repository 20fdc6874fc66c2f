package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
)

// timeFacts are what decides which setting saves time in a phase of a solve.
type timeFacts struct {
	phase  buildkit.PhaseTime
	timing buildkit.Timing
	args   ImageArgs
	config Config

	platform   string // of the phase; "" if it is not known
	pushes     bool
	ownBuilder bool   // it is a BuildKit of the plugin
	isEmulated bool   // the builder emulates the platform of the step
	wasBuilt   bool   // an earlier update built the image
	sameBases  bool   // it did so on the same base images; false if that is not certain
	needless   string // the folder that is most of a context and that images seldom need; "" if there is none
}

// timeFacts returns what decides about the setting for a phase of a solve.
func (b *imageBuild) timeFacts(timing buildkit.Timing, phase buildkit.PhaseTime, isEmulated bool) timeFacts {
	args := b.op.args
	if b.op.secretsChanged { // it is not the program that wants no cache
		args.NoCache = nil
	}
	return timeFacts{
		phase: phase, timing: timing, args: args, config: b.settings.configuration(),
		platform:   cmp.Or(phase.Step.Platform, b.platform),
		pushes:     pushes(b.op.inputs),
		ownBuilder: b.builder.isEmbedded() || b.builder.container != nil,
		isEmulated: isEmulated,
		wasBuilt:   b.op.old.isApplied(),
		sameBases:  deref(args.Pull) && !slices.Contains(b.op.changedInputs(), "baseDigests"),
		needless:   needlessFolder(b.in),
	}
}

// needlessFolder returns the folder that is most of a context and that images seldom need; "" if there is none.
func needlessFolder(in *inputs.Inputs) string {
	for _, tree := range in.Trees() {
		all, names := tree.Weight()
		for _, name := range []string{".git", "node_modules"} {
			if bytes := names[name].Bytes; bytes*2 > all.Bytes {
				return name
			}
		}
	}
	return ""
}

// askLimit is how long the plugin waits for the answer of a builder that only the line about the time needs.
const askLimit = 2 * time.Second

// emulatesLongest tells whether the longest phase of the last solve is a long step that the daemon emulates. It asks
// the daemon for no other phase. It returns false if the daemon does not tell.
func (b *imageBuild) emulatesLongest(ctx context.Context, daemon *client.Client) bool {
	if len(b.built.Timing.Phases) == 0 {
		return false
	}
	phase := b.built.Timing.Phases[0]
	platform := cmp.Or(phase.Step.Platform, b.platform)
	if platform == "" || phase.Took < summarizedAfter || !isRun(phase) {
		return false
	}
	ctx, stop := context.WithTimeoutCause(ctx, askLimit, errors.New("the builder did not say what it serves"))
	defer stop()
	served, err := buildkit.AskServed(ctx, daemon)
	return err == nil && served.Serves(platform) && !served.Natively(platform)
}

// isRun tells whether a phase is a step that runs a command.
func isRun(phase buildkit.PhaseTime) bool {
	return phase.Phase == buildkit.RunningStep && strings.HasPrefix(phase.Step.Command, "RUN ")
}

// timeSettings are the settings that save time in a phase, by the phase that took longest. Each function returns a
// sentence, or "" if it knows no setting that would have helped.
var timeSettings = map[buildkit.Phase]func(timeFacts) string{
	buildkit.RunningStep:       stepSetting,
	buildkit.PullingBase:       baseSetting,
	buildkit.ImportingCache:    importSetting,
	buildkit.SendingFiles:      filesSetting,
	buildkit.CompressingLayers: compressionSetting,
	buildkit.PushingLayers:     pushSetting,
}

// setting returns the sentence about the setting that saves time in the phase, or "".
func (f timeFacts) setting() string {
	if find := timeSettings[f.phase.Phase]; find != nil {
		return find(f)
	}
	return ""
}

// stepSetting is about a step of the Dockerfile.
func stepSetting(f timeFacts) string {
	if !isRun(f.phase) {
		return ""
	}
	hasMount := cacheMount.MatchString(f.phase.Step.Command)
	keeps := keptBy(f.phase.Step.Command)
	isNewBuilder := f.sameBases && f.timing.CachedSteps == 0 && f.pulledBase()
	switch {
	case deref(f.args.NoCache):
		return "noCache: without it, steps that have not changed come from the cache"
	case f.args.Builder == nil && f.isEmulated && !f.runsAsLongElsewhere():
		return fmt.Sprintf("builders of the provider: %s is emulated here, and a builder that runs it natively is "+
			"faster", f.platform)
	case !f.wasBuilt || len(f.args.CacheFrom) > 0:
	case isNewBuilder && hasMount && f.args.CacheMounts == nil:
		return "cacheMounts: with it, a builder that has no cache, as this one, gets the content of cache mounts " +
			"from a registry"
	case isNewBuilder:
		return "cacheTo and cacheFrom: with them, a builder that has no cache, as this one, takes steps that have " +
			"not changed from a registry"
	case keeps != "" && !hasMount:
		return "RUN --mount=type=cache: with it, the builder keeps what " + keeps
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

// pulledBase tells whether the builder had to download a base image.
func (f timeFacts) pulledBase() bool {
	return slices.ContainsFunc(f.timing.Phases, func(p buildkit.PhaseTime) bool {
		return p.Phase == buildkit.PullingBase && p.Downloading > 0
	})
}

// baseSetting is about a base image. A mirror does not help to unpack it.
func baseSetting(f timeFacts) string {
	host := f.phase.Host
	isNear := onThisMachine(host) || len(f.config.mirrors()[registry.Host(host)]) > 0
	if !f.ownBuilder || isNear || f.phase.Downloading*2 < f.phase.Took {
		return ""
	}
	return fmt.Sprintf("mirrors of the provider: a mirror of %s near the builder sends its images faster", host)
}

// onThisMachine tells whether a registry is on the loopback of this machine.
func onThisMachine(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	return name == "localhost" || net.ParseIP(name).IsLoopback()
}

// importSetting is about a cache that is read.
func importSetting(f timeFacts) string {
	if f.timing.CachedSteps > 0 || len(f.args.CacheFrom) == 0 {
		return ""
	}
	return "cacheFrom: no step of this build came from a cache"
}

// filesSetting is about files that are sent to the builder.
func filesSetting(f timeFacts) string {
	switch {
	case f.args.Watch != nil && *f.args.Watch == WatchAll:
		return "watch: auto, which is the default, sends only what the Dockerfile reads"
	case f.needless != "":
		return fmt.Sprintf(".dockerignore: it can leave out %s, which is most of the context", f.needless)
	}
	return ""
}

// compressionSetting is about the compression of layers. zstd compressed 140 MB of Go's programs and sources in 2.5 s,
// gzip in 24 s, and in 5.7 s at level 1.
func compressionSetting(f timeFacts) string {
	options := optionMap(imageOptions(f.args))
	needsGzip := options["oci-mediatypes"] != "" && !options.isOn("oci-mediatypes")
	if used := options["compression"]; !f.pushes || needsGzip || used != "" && used != string(CompressionGzip) {
		return ""
	}
	return "compression in exports.image: zstd is faster than gzip, if everything that pulls the image can read it"
}

// pushSetting is about a push. zstd sent 3 % less than gzip, which nobody notices.
func pushSetting(f timeFacts) string {
	if imageOptions(f.args)["compression"] != string(CompressionUncompressed) {
		return ""
	}
	return "compression: gzip and zstd send less than uncompressed"
}

// turnSetting is about an image that waits for other images.
func turnSetting(config Config) func() string {
	return func() string {
		if config.MaxParallelBuilds == nil {
			return ""
		}
		return fmt.Sprintf("maxParallelBuilds of the provider: it is %d, and a higher number builds more images at "+
			"once", *config.MaxParallelBuilds)
	}
}

// exportSetting is about the caches that builds write. Without steps of other stages both modes write the same.
func exportSetting(builds []*imageBuild) func() string {
	return func() string {
		isMin := func(c buildkit.Cache) bool { return c.Options["mode"] != string(CacheModeMax) }
		for _, b := range builds {
			all := externalCaches(b.access.CacheTo)
			if b.built.Timing.OtherSteps == 0 || slices.ContainsFunc(all, isMin) {
				return ""
			}
		}
		return "cacheTo: mode min writes only the layers of the image, and a builder without a cache then runs the " +
			"steps of other stages again"
	}
}
