package buildkit

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// reportedSolve is what a daemon reports: a vertex, or under it a part. It runs from and to these seconds.
var reportedSolve = []struct {
	vertex, part string
	from, to     int
	inputs       []string
	cached       bool
	bytes        int64
}{
	{vertex: "importing cache manifest from ghcr.io/a/c", from: 0, to: 1},
	{vertex: "[internal] load build context", from: 0, to: 1},
	{vertex: "[internal] load build context", part: "transferring context:", from: 1, to: 2, bytes: 7},
	{vertex: "[internal] load build context", from: 1, to: 2},
	{vertex: "[linux/amd64 1/3] FROM ghcr.io/a/b:1@sha256:12", from: 0, to: 1},
	{vertex: "[linux/amd64 1/3] FROM ghcr.io/a/b:1@sha256:12", part: layerDigest, from: 2, to: 5, bytes: 40},
	{vertex: "[linux/amd64 1/3] FROM ghcr.io/a/b:1@sha256:12", part: "extracting " + layerDigest, from: 5, to: 6},
	{vertex: "[linux/amd64 1/3] FROM ghcr.io/a/b:1@sha256:12", from: 2, to: 6},
	{vertex: "[linux/arm64 1/3] FROM ghcr.io/a/b:1@sha256:12", from: 4, to: 8},
	// With some daemons a step begins before its base image is pulled.
	{
		vertex: "[linux/amd64 2/3] RUN make", from: 2, to: 9,
		inputs: []string{"[linux/amd64 1/3] FROM ghcr.io/a/b:1@sha256:12"},
	},
	{
		vertex: "[linux/arm64 2/3] RUN make", from: 8, to: 18,
		inputs: []string{"[linux/arm64 1/3] FROM ghcr.io/a/b:1@sha256:12", "[internal] load build context"},
	},
	{
		vertex: "[linux/amd64 tools 2/2] RUN install", from: 2, to: 2, cached: true,
		inputs: []string{"[linux/amd64 1/3] FROM ghcr.io/a/b:1@sha256:12"},
	},
	{vertex: "[linux/amd64 tools 2/2] RUN install", part: layerDigest, from: 5, to: 7, bytes: 50},
	{vertex: "[linux/amd64 tools 2/2] RUN install", from: 5, to: 9},
	{vertex: "[linux/arm64 3/3] COPY a b", from: 18, to: 18, inputs: []string{"[linux/arm64 2/3] RUN make"}},
	{
		vertex: "[linux/amd64 3/3] COPY --from=tools a b", from: 18, to: 18,
		inputs: []string{"[linux/amd64 tools 2/2] RUN install"},
	},
	{vertex: "[linux/amd64 test 2/2] RUN test", from: 18, to: 18, inputs: []string{"[linux/amd64 2/3] RUN make"}},
	{vertex: "exporting to image", part: "exporting layers", from: 18, to: 21},
	{vertex: "exporting to image", part: "exporting manifest sha256:1", from: 21, to: 22},
	{vertex: "exporting to image", from: 18, to: 23},
	{vertex: "exporting to image", part: "pushing manifest for 127.0.0.2:1/gate", from: 22, to: 23},
	{vertex: "exporting to image", part: "pushing layers", from: 23, to: 30},
	{vertex: "exporting to image", part: "pushing manifest for ghcr.io/a/b", from: 30, to: 31},
	{vertex: "FROM ghcr.io/a/tiny@sha256:34", from: 24, to: 26}, // of a layer that no step needs
	{vertex: "exporting to image", part: "pushing layers", from: 31, to: 34},
	{vertex: "exporting to image", part: "pushing manifest for example.com/b", from: 34, to: 34},
	{vertex: "exporting to image", from: 23, to: 34},
}

func TestTiming(t *testing.T) {
	t.Parallel()
	at := func(second int) *time.Time { return new(time.Unix(int64(second), 0)) }
	s := newStepTracker(&stepPlatforms{}, &redaction{}, slog.New(slog.DiscardHandler), func(Event) {})
	plan := inputs.Plan{
		Files: inputs.Files{Context: "../app"}, Repositories: []string{"ghcr.io/a/b", "example.com/b"},
	}
	_, s.watch = newStallWatch(t.Context(), Access{StallTimeout: time.Hour}, plan, s.log)
	defer s.watch.stop()
	s.gate = &pushGate{name: "127.0.0.2:1/gate"}
	s.waiting = &waitTracker{
		stopped: func() bool { return false }, watch: s.watch, open: map[digest.Digest]*openVertex{},
	}
	status := make(chan *client.SolveStatus)
	go func() {
		defer close(status)
		for _, r := range reportedSolve {
			vertex := &client.Vertex{Digest: digest.FromString(r.vertex), Name: r.vertex, Cached: r.cached}
			for _, input := range r.inputs {
				vertex.Inputs = append(vertex.Inputs, digest.FromString(input))
			}
			vertex.Started = at(r.from)
			if r.part == "" {
				vertex.Completed = at(r.to)
			}
			update := &client.SolveStatus{Vertexes: []*client.Vertex{vertex}}
			if r.part != "" {
				update.Statuses = []*client.VertexStatus{{
					ID: r.part, Vertex: vertex.Digest, Started: at(r.from), Completed: at(r.to), Current: r.bytes,
				}}
			}
			status <- update
		}
	}()
	s.follow(status)
	step := func(platform, position, command string) Step {
		return Step{Platform: platform, Position: position, Command: command}
	}
	second := time.Second
	want := []PhaseTime{
		{Phase: RunningStep, Step: step("linux/arm64", "2/3", "RUN make"), Took: 10 * second},
		{Phase: PushingLayers, What: "ghcr.io/a/b", Host: "ghcr.io", Took: 6 * second},
		{
			Phase: PullingBase, What: "ghcr.io/a/b:1", Host: "ghcr.io", Took: 7 * second, Downloading: 3 * second,
			Bytes: 40,
		},
		{Phase: CompressingLayers, Took: 3 * second},
		{Phase: ImportingCache, What: "ghcr.io/a/c", Took: 4 * second, Downloading: 2 * second, Bytes: 50},
		{Phase: PushingLayers, What: "example.com/b", Host: "example.com", Took: 3 * second},
		{Phase: RunningStep, Step: step("linux/amd64", "2/3", "RUN make"), Took: 3 * second},
		{Phase: SendingFiles, What: "../app", Took: 2 * second, Bytes: 7},
		{Phase: PullingBase, What: "ghcr.io/a/tiny", Host: "ghcr.io", Took: 2 * second},
		{Phase: Exporting, Step: Step{Command: "exporting to image"}, Took: second},
	}
	got := s.newTiming()
	for _, w := range want {
		if !slices.Contains(got.Phases, w) {
			t.Errorf("no %+v", w)
		}
	}
	if t.Failed() || len(got.Phases) != len(want) || got.CachedSteps != 1 || got.OtherSteps != 1 {
		t.Errorf("got %d cached steps, %d other steps and", got.CachedSteps, got.OtherSteps)
		for _, p := range got.Phases {
			t.Logf("%+v", p)
		}
	}
	after := Timing{Phases: []PhaseTime{{Phase: PushingLayers, Took: time.Hour}}}
	if both := got.join(after); both.Phases[0] != after.Phases[0] || len(both.Phases) != len(got.Phases)+1 ||
		both.CachedSteps != 1 || both.OtherSteps != 1 {
		t.Errorf("joined: %+v", both)
	}
	if first := got.Phases[0]; !strings.HasPrefix(first.Step.Command, "RUN") {
		t.Errorf("the first is %+v", first)
	}
}
