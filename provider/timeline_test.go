package provider

import (
	"context"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

func phaseTime(phase buildkit.Phase, what, host string) buildkit.PhaseTime {
	return buildkit.PhaseTime{Phase: phase, What: what, Host: host, Took: 58 * time.Second}
}

func stepTime(platform, command string) buildkit.PhaseTime {
	p := phaseTime(buildkit.RunningStep, "", "")
	p.Step = buildkit.Step{Platform: platform, Position: "build 2/3", Command: command}
	return p
}

func imageWith(with CompressionType) ImageArgs {
	image := &ExportImage{}
	image.Compression = &with
	return ImageArgs{Exports: []Export{{Image: image}}}
}

// timeCases are what took 58 s of 92 s, with the end of the line about it.
var timeCases = map[string]struct {
	timeFacts
	node string // the platform of the solve
	want string
}{
	"a push": {
		timeFacts{phase: phaseTime(buildkit.PushingLayers, "ghcr.io/a/b", "ghcr.io")}, "",
		"pushing layers to ghcr.io/a/b",
	},
	"a push without compression": {
		timeFacts{
			phase: phaseTime(buildkit.PushingLayers, "ghcr.io/a/b", "ghcr.io"),
			args:  imageWith(CompressionUncompressed),
		}, "linux/arm64",
		"pushing layers to ghcr.io/a/b for linux/arm64. compression: gzip and zstd send less than uncompressed",
	},
	"compression": {
		timeFacts{phase: phaseTime(buildkit.CompressingLayers, "", ""), pushes: true}, "",
		"compressing layers. compression in exports.image: zstd is faster than gzip, if everything that pulls the " +
			"image can read it",
	},
	"compression with zstd": {
		timeFacts{
			phase: phaseTime(buildkit.CompressingLayers, "", ""), pushes: true, args: imageWith(CompressionZstd),
		}, "", "compressing layers",
	},
	"compression of a loaded image": {
		timeFacts{phase: phaseTime(buildkit.CompressingLayers, "", "")}, "", "compressing layers",
	},
	"a step": {timeFacts{phase: stepTime("", "RUN make")}, "", "running step [build 2/3] RUN make"},
	"a step that copies": {
		timeFacts{phase: stepTime("linux/arm64", "COPY a /"), emulates: isTrue}, "",
		"running step [build 2/3] COPY a / (linux/arm64)",
	},
	"an emulated step": {
		timeFacts{phase: stepTime("linux/arm64", "RUN make"), platform: "linux/arm64", emulates: isTrue}, "linux/arm64",
		"running step [build 2/3] RUN make (linux/arm64). builders of the provider: linux/arm64 is emulated here, " +
			"and a builder that runs it natively is faster",
	},
	"an emulated step that waits": {
		timeFacts{phase: stepTime("linux/arm64", "RUN make"), timing: alike, emulates: isTrue}, "",
		"running step [build 2/3] RUN make (linux/arm64)",
	},
	"an emulated step on a builder of the image": {
		timeFacts{
			phase: stepTime("linux/arm64", "RUN make"), emulates: isTrue, args: ImageArgs{Builder: &BuilderConfig{}},
		}, "",
		"running step [build 2/3] RUN make (linux/arm64)",
	},
	"a step without a cache": {
		timeFacts{phase: stepTime("", "RUN make"), args: ImageArgs{NoCache: new(true)}}, "",
		"running step [build 2/3] RUN make. noCache: without it, steps that have not changed come from the cache",
	},
	"a step on an empty builder": {
		timeFacts{phase: stepTime("", "RUN npm ci"), timing: pulled}, "",
		"running step [build 2/3] RUN npm ci. cacheTo and cacheFrom: with them, a builder that has no cache, as this " +
			"one, takes steps that have not changed from a registry",
	},
	"a step that a cache did not have": {
		timeFacts{phase: stepTime("", "RUN npm ci"), timing: pulled, args: importing}, "",
		"running step [build 2/3] RUN npm ci",
	},
	"a step that downloads": {
		timeFacts{phase: stepTime("", "RUN cd web && npm -s ci; ls")}, "",
		"running step [build 2/3] RUN cd web && npm -s ci; ls. RUN --mount=type=cache: with it, the builder keeps " +
			"what npm downloads",
	},
	"a step with a cache mount": {
		timeFacts{phase: stepTime("", "RUN --mount=type=cache,target=/root/.npm npm ci")}, "",
		"running step [build 2/3] RUN --mount=type=cache,target=/root/.npm npm ci",
	},
	"a step that wants no cache": {
		timeFacts{phase: stepTime("", "RUN pip install --no-cache-dir x")}, "",
		"running step [build 2/3] RUN pip install --no-cache-dir x",
	},
	"a base image": {timeFacts{phase: slowBase, ownBuilder: true}, "",
		"pulling the base image ghcr.io/a/b:1 (412MiB). mirrors of the provider: a mirror of ghcr.io near the " +
			"builder sends its images faster"},
	"a base image on another builder": {
		timeFacts{phase: slowBase}, "linux/arm64", "pulling the base image ghcr.io/a/b:1 (412MiB) for linux/arm64",
	},
	"a base image with a mirror": {
		timeFacts{
			phase: slowBase, ownBuilder: true, config: Config{Mirrors: map[string][]string{"ghcr.io": {"m.example"}}},
		}, "",
		"pulling the base image ghcr.io/a/b:1 (412MiB)",
	},
	"a base image that is slow to unpack": {
		timeFacts{phase: phaseTime(buildkit.PullingBase, "b", "docker.io"), ownBuilder: true}, "",
		"pulling the base image b",
	},
	"a cache that gave nothing": {
		timeFacts{phase: phaseTime(buildkit.ImportingCache, "ghcr.io/a/c", ""), args: importing}, "",
		"importing the cache ghcr.io/a/c. cacheFrom: no step of this build came from a cache",
	},
	"layers of caches": {
		timeFacts{phase: phaseTime(buildkit.ImportingCache, "", ""), timing: buildkit.Timing{CachedSteps: 1}}, "",
		"importing the cache",
	},
	"files": {
		timeFacts{phase: phaseTime(buildkit.SendingFiles, "/app", "")}, "",
		"sending /app to the builder. .dockerignore: there is none; it leaves out what no step needs",
	},
	"files that are left out": {
		timeFacts{phase: phaseTime(buildkit.SendingFiles, "/app", ""), ignoresFiles: true}, "",
		"sending /app to the builder",
	},
	"all files": {
		timeFacts{phase: phaseTime(buildkit.SendingFiles, "/app", ""), args: ImageArgs{Watch: new(WatchAll)}}, "",
		"sending /app to the builder. watch: auto, which is the default, sends only what the Dockerfile reads",
	},
	"a registry": {
		timeFacts{phase: phaseTime(buildkit.ResolvingImage, "b:1", "docker.io")}, "",
		"asking docker.io for the base image b:1",
	},
}

// pulled is the timing of a solve that had to pull its base image.
var pulled = buildkit.Timing{Phases: []buildkit.PhaseTime{{Phase: buildkit.PullingBase, Downloading: time.Second}}}

// alike is the timing of a solve whose step took as long for each platform.
var alike = buildkit.Timing{Phases: []buildkit.PhaseTime{
	stepTime("linux/arm64", "RUN make"), stepTime("linux/amd64", "RUN make"),
}}

// importing are the inputs of an image with a cache to import.
var importing = ImageArgs{CacheFrom: make([]CacheFrom, 1)}

var slowBase = buildkit.PhaseTime{
	Phase: buildkit.PullingBase, What: "ghcr.io/a/b:1", Host: "ghcr.io", Took: 58 * time.Second,
	Downloading: 50 * time.Second, Bytes: 412 << 20,
}

func isTrue(context.Context) bool { return true }

func TestLineAboutTheTime(t *testing.T) {
	t.Parallel()
	for name, c := range timeCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.emulates == nil {
				c.emulates = func(context.Context) bool { return false }
			}
			line := newTimeline()
			line.add(timePart{phaseText(c.phase, c.node), c.phase.Took, c.setting})
			line.add(timePart{"something shorter", time.Second, nil})
			got := line.summarize(t.Context(), "built and pushed", 92*time.Second, summarizedAfter)
			if want := "built and pushed in 1m32s, 58s of it " + c.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// A quick operation gets no line, and neither does one without a large part.
func TestNoLineAboutTheTime(t *testing.T) {
	t.Parallel()
	line := newTimeline()
	line.add(timePart{"waiting", 4 * time.Second, nil})
	for whole, want := range map[time.Duration]string{
		4 * time.Second: "", 5 * time.Second: "built in 5s, 4s of it waiting", 13 * time.Second: "",
	} {
		if got := line.summarize(t.Context(), "built", whole, summarizedAfter); got != want {
			t.Errorf("after %v: got %q, want %q", whole, got, want)
		}
	}
}

func TestSettingsOfOtherParts(t *testing.T) {
	t.Parallel()
	build := func(stages int, modes ...string) []*imageBuild {
		b := &imageBuild{}
		b.built.Timing.Stages = stages
		for _, mode := range modes {
			cache := buildkit.Cache{Type: "s3", Options: map[string]string{"mode": mode}}
			b.access.CacheTo = append(b.access.CacheTo, cache)
		}
		return []*imageBuild{b}
	}
	onlyMin := "cacheTo: mode min writes the layers of the image only, and not those of every stage"
	for want, settings := range map[string][]func(context.Context) string{
		onlyMin: {exportSetting(build(2, "max")), exportSetting(build(3, "max", "max"))},
		"":      {exportSetting(build(1, "max")), exportSetting(build(2, "max", "min")), exportSetting(build(2, ""))},
		"maxParallelBuilds of the provider: it is 2, and a higher number builds more images at once": {
			turnSetting(Config{MaxParallelBuilds: new(2)}),
		},
	} {
		for i, setting := range settings {
			if got := setting(t.Context()); got != want {
				t.Errorf("%d: got %q, want %q", i, got, want)
			}
		}
	}
}

// An update says that the registry took the most time.
func TestUpdateSaysWhereTheTimeWent(t *testing.T) { //nolint:paralleltest // one daemon
	r := registrytest.New(t)
	r.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/app/blobs/uploads/", Fault: delay})
	i := newCachedImage(t, &settings{summarizedAfter: new(time.Duration)}, `{}`, `"tags": ["`+r.Host()+`/app:1"]`)
	i.mustCreate(t)
	const begin = `(?m)INFO built and pushed in [0-9.]+m?s, [0-9.]+m?s of it pushing layers to `
	line := regexp.MustCompile(begin + regexp.QuoteMeta(r.Host()) + `/app$`)
	if !line.MatchString(i.logText()) {
		t.Errorf("logged %s", i.logText())
	}
}
