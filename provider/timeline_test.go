package provider

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
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
		timeFacts{phase: stepTime("linux/arm64", "COPY a /"), isEmulated: true}, "",
		"running step [build 2/3] COPY a / (linux/arm64)",
	},
	"an emulated step": {
		timeFacts{phase: stepTime("linux/arm64", "RUN make"), platform: "linux/arm64", isEmulated: true}, "linux/arm64",
		"running step [build 2/3] RUN make (linux/arm64). builders of the provider: linux/arm64 is emulated here, " +
			"and a builder that runs it natively is faster",
	},
	"an emulated step that waits": {
		timeFacts{phase: stepTime("linux/arm64", "RUN make"), timing: alike, isEmulated: true}, "",
		"running step [build 2/3] RUN make (linux/arm64)",
	},
	"an emulated step on a builder of the image": {
		timeFacts{
			phase: stepTime("linux/arm64", "RUN make"), isEmulated: true, args: ImageArgs{Builder: &BuilderConfig{}},
		}, "",
		"running step [build 2/3] RUN make (linux/arm64)",
	},
	"a step without a cache": {
		timeFacts{phase: stepTime("", "RUN make"), args: ImageArgs{NoCache: new(true)}}, "",
		"running step [build 2/3] RUN make. noCache: without it, steps that have not changed come from the cache",
	},
	"a step on an empty builder": {
		timeFacts{phase: stepTime("", "RUN npm ci"), timing: pulled, wasBuilt: true, sameBases: true}, "",
		"running step [build 2/3] RUN npm ci. cacheTo and cacheFrom: with them, a builder that has no cache, as this " +
			"one, takes steps that have not changed from a registry",
	},
	"a step on another base image": {
		timeFacts{phase: stepTime("", "RUN make"), timing: pulled, wasBuilt: true}, "",
		"running step [build 2/3] RUN make",
	},
	"a cache mount on an empty builder": {
		timeFacts{
			phase: stepTime("", "RUN --mount=type=cache,target=/c make"), timing: pulled,
			wasBuilt: true, sameBases: true,
		}, "",
		"running step [build 2/3] RUN --mount=type=cache,target=/c make. cacheMounts: with it, a builder that has no " +
			"cache, as this one, gets the content of cache mounts from a registry",
	},
	"a step that a cache did not have": {
		timeFacts{
			phase: stepTime("", "RUN npm ci"), timing: pulled, args: importing, wasBuilt: true, sameBases: true,
		}, "",
		"running step [build 2/3] RUN npm ci",
	},
	"the first build": {
		timeFacts{phase: stepTime("", "RUN npm ci"), timing: pulled}, "", "running step [build 2/3] RUN npm ci",
	},
	"a step that downloads": {
		timeFacts{phase: stepTime("", "RUN cd web && npm -s ci; ls"), wasBuilt: true}, "",
		"running step [build 2/3] RUN cd web && npm -s ci; ls. RUN --mount=type=cache: with it, the builder keeps " +
			"what npm downloads",
	},
	"a step with a cache mount": {
		timeFacts{phase: stepTime("", "RUN --mount=type=cache,target=/root/.npm npm ci"), wasBuilt: true}, "",
		"running step [build 2/3] RUN --mount=type=cache,target=/root/.npm npm ci",
	},
	"a base image": {timeFacts{phase: slowBase, ownBuilder: true}, "",
		"pulling the base image a/b:1 (412MiB). mirrors of the provider: a mirror of ghcr.io near the " +
			"builder sends its images faster"},
	"a base image on another builder": {
		timeFacts{phase: slowBase}, "linux/arm64", "pulling the base image a/b:1 (412MiB) for linux/arm64",
	},
	"a base image with a mirror": {
		timeFacts{
			phase: slowBase, ownBuilder: true, config: Config{Mirrors: map[string][]string{"ghcr.io": {"m.example"}}},
		}, "",
		"pulling the base image a/b:1 (412MiB)",
	},
	"a base image on this machine": {
		timeFacts{phase: baseTime("localhost:5000"), ownBuilder: true}, "", "pulling the base image a/b:1 (412MiB)",
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
		timeFacts{phase: phaseTime(buildkit.SendingFiles, "/app", ""), needless: ".git"}, "",
		"sending /app to the builder. .dockerignore: it can leave out .git, which is most of the context",
	},
	"files that are needed": {
		timeFacts{phase: phaseTime(buildkit.SendingFiles, "/app", "")}, "", "sending /app to the builder",
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

var slowBase = baseTime("ghcr.io")

func baseTime(host string) buildkit.PhaseTime {
	p := phaseTime(buildkit.PullingBase, "a/b:1", host)
	p.Downloading, p.Bytes = 50*time.Second, 412<<20
	return p
}

func TestToolsOfAStep(t *testing.T) {
	t.Parallel()
	for step, want := range map[string]string{
		"RUN npm ci":                             "npm downloads",
		"RUN --mount=type=secret,id=a npm -s ci": "npm downloads",
		"RUN cd web && CI=1 pnpm install --frozen-lockfile; ls": "pnpm downloads",
		"RUN pip3 install -r a":                                 "pip downloads",
		"RUN go mod download":                                   "go downloads",
		"RUN CGO_ENABLED=0 go build -o /a .":                    "go compiles",
		"RUN uv pip install a":                                  "uv downloads",
		"RUN dotnet publish -c Release":                         "dotnet downloads",
		"RUN make":                                              "",
		"RUN yarn build":                                        "",
		"RUN pnpm build":                                        "",
		"RUN npm publish":                                       "",
		"RUN poetry build":                                      "",
		"RUN echo yarn install":                                 "",
		"RUN pip install --no-index a":                          "",
		"RUN npm ci --offline":                                  "",
		"RUN mvn -o package":                                    "",
		"RUN dotnet publish --no-restore":                       "",
		"RUN pip install --no-cache-dir x":                      "",
		"RUN cat go install":                                    "",
	} {
		if got := keptBy(step); got != want {
			t.Errorf("%s: got %q, want %q", step, got, want)
		}
	}
}

func TestLineAboutTheTime(t *testing.T) {
	t.Parallel()
	for name, c := range timeCases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line := newTimeline()
			line.add(timePart{doing: phaseText(c.phase, c.node), took: c.phase.Took, setting: c.setting})
			line.add(timePart{doing: "something shorter", took: time.Second})
			got := line.summarize("built and pushed", 92*time.Second, summarizedAfter)
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
	line.add(timePart{doing: "waiting", took: 4 * time.Second})
	for whole, want := range map[time.Duration]string{
		4 * time.Second: "", 5 * time.Second: "built in 5s, 4s of it waiting", 13 * time.Second: "",
	} {
		if got := line.summarize("built", whole, summarizedAfter); got != want {
			t.Errorf("after %v: got %q, want %q", whole, got, want)
		}
	}
}

func TestSettingsOfOtherParts(t *testing.T) {
	t.Parallel()
	build := func(otherSteps int, modes ...string) []*imageBuild {
		b := &imageBuild{}
		b.built.Timing.OtherSteps = otherSteps
		for _, mode := range modes {
			cache := buildkit.Cache{Type: "s3", Options: map[string]string{"mode": mode}}
			b.access.CacheTo = append(b.access.CacheTo, cache)
		}
		return []*imageBuild{b}
	}
	onlyMin := "cacheTo: mode min writes only the layers of the image, and a builder without a cache then runs the " +
		"steps of other stages again"
	for want, settings := range map[string][]func() string{
		onlyMin: {exportSetting(build(1, "max")), exportSetting(build(3, "max", "max"))},
		"":      {exportSetting(build(0, "max")), exportSetting(build(2, "max", "min")), exportSetting(build(2, ""))},
		"maxParallelBuilds of the provider: it is 2, and a higher number builds more images at once": {
			turnSetting(Config{MaxParallelBuilds: new(2)}),
		},
	} {
		for i, setting := range settings {
			if got := setting(); got != want {
				t.Errorf("%d: got %q, want %q", i, got, want)
			}
		}
	}
}

func TestNeedlessFolder(t *testing.T) {
	t.Parallel()
	for large, want := range map[string]string{".git/pack": ".git", "node_modules/a": "node_modules", "a/b": ""} {
		dir := newFolder(t, map[string]string{".git/a": "a", "node_modules/b": "b", large: strings.Repeat("x", 100)})
		in, err := inputs.Load(t.Context(), inputs.Plan{
			Files: inputs.Files{Context: dir, Inline: []byte("FROM scratch\nCOPY . /\n")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := needlessFolder(in); got != want {
			t.Errorf("%s: got %q, want %q", large, got, want)
		}
	}
}

// An update says that the registry took the most time.
func TestUpdateSaysWhereTheTimeWent(t *testing.T) { //nolint:paralleltest // one daemon
	r := registrytest.New(t)
	r.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/app/blobs/uploads/", Fault: takeSlowly})
	i := newCachedImage(t, &settings{summarizedAfter: new(time.Duration)}, `{}`, `"tags": ["`+r.Host()+`/app:1"]`)
	i.mustCreate(t)
	const begin = `(?m)INFO built and pushed in [0-9.]+m?s, [0-9.]+m?s of it pushing layers to `
	line := regexp.MustCompile(begin + regexp.QuoteMeta(r.Host()) + `/app$`)
	if !line.MatchString(i.logText()) {
		t.Errorf("logged %s", i.logText())
	}
}

// takeSlowly takes each blob after three seconds, so that a busy machine spends less time on anything else.
func takeSlowly(w http.ResponseWriter, req *http.Request, next http.Handler) {
	select {
	case <-time.After(3 * time.Second):
	case <-req.Context().Done():
	}
	next.ServeHTTP(w, req)
}
