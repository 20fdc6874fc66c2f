package buildkit

import (
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

const layerDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// reportedSteps are steps as a daemon reports them, with the wait for each of them.
var reportedSteps = map[string]struct {
	step     string
	statuses []*client.VertexStatus
	want     Wait
}{
	"a step": {step: "[linux/arm64 3/7] RUN npm ci", want: Wait{Step: Step{"linux/arm64", "3/7", "RUN npm ci"}}},
	"a base image": {
		step: "[internal] load metadata for ghcr.io/a/b:1",
		want: Wait{Phase: ResolvingImage, What: "ghcr.io/a/b:1", Host: "ghcr.io"},
	},
	"words of a step": {
		step: "[a 3/7] RUN echo load metadata for b",
		want: Wait{Step: Step{"", "a 3/7", "RUN echo load metadata for b"}},
	},
	"a base image of a platform": {
		step: "[linux/arm64 internal] load metadata for ghcr.io/a/b:1",
		want: Wait{Phase: ResolvingImage, What: "ghcr.io/a/b:1", Host: "ghcr.io"},
	},
	"a base image of a context": {
		step: "[context b::linux/arm64] load metadata for ghcr.io/a/b:1",
		want: Wait{Phase: ResolvingImage, What: "ghcr.io/a/b:1", Host: "ghcr.io"},
	},
	"a layer": {
		step: "[1/2] FROM ghcr.io/a/b:1", statuses: []*client.VertexStatus{
			{ID: "resolve ghcr.io/a/b:1", Completed: new(time.Time)}, {ID: "sha256:1", Current: 5, Total: 5},
			{ID: layerDigest, Current: 3, Total: 20},
		},
		want: Wait{
			Phase: FetchingSource, What: "base image ghcr.io/a/b:1", Host: "ghcr.io", Detail: layerDigest, Bytes: 3,
			Total: 20,
		},
	},
	"git": {
		step: "[internal] load git source https://user:canary@git.example/a.git",
		want: Wait{Phase: FetchingSource, What: "build context https://git.example/a.git", Host: "git.example"},
	},
	"a signed URL": {
		step: "[2/2] ADD https://cdn.example/a?X-Signature=canary /a",
		want: Wait{
			Phase: FetchingSource, What: "ADD https://cdn.example/a?X-Signature=" + login.Redacted, Host: "cdn.example",
		},
	},
	"the context": {
		step:     "[internal] load build context",
		statuses: []*client.VertexStatus{{ID: "transferring context:", Current: 7}},
		want:     Wait{Phase: SendingFiles, What: "../app", Detail: "transferring context", Bytes: 7},
	},
	"a named context": {
		step: "[context lib::linux/amd64] load from client", want: Wait{Phase: SendingFiles, What: "../lib"},
	},
	"the Dockerfile": {
		step: "[internal] load build definition from Dockerfile", want: Wait{Phase: SendingFiles, What: "Dockerfile"},
	},
	"a cache": {
		step: "importing cache manifest from ghcr.io/a/c", want: Wait{Phase: ImportingCache, What: "ghcr.io/a/c"},
	},
	"a cache that is written": {
		step: "exporting cache to registry", statuses: []*client.VertexStatus{{ID: "writing layer sha256:1"}},
		want: Wait{Phase: ExportingCache, What: "ghcr.io/a/d", Detail: "writing layer sha256:1"},
	},
	"a cache of GitHub": {
		step: "exporting to GitHub Actions Cache", want: Wait{Phase: ExportingCache, What: "GitHub Actions Cache"},
	},
	"layers": {
		step:     "exporting to image",
		statuses: []*client.VertexStatus{{ID: "exporting layers", Completed: new(time.Time)}, {ID: "pushing layers"}},
		want:     Wait{Phase: PushingLayers, What: "ghcr.io/a/b", Host: "ghcr.io", Detail: "pushing layers"},
	},
	"a manifest": {
		step: "exporting to image", statuses: []*client.VertexStatus{{ID: "pushing manifest for ghcr.io/a/b"}},
		want: Wait{
			Phase: PushingManifest, What: "ghcr.io/a/b", Host: "ghcr.io", Detail: "pushing manifest for ghcr.io/a/b",
		},
	},
	"files": {
		step: "exporting to client directory", statuses: []*client.VertexStatus{{ID: "copying files", Current: 9}},
		want: Wait{Phase: Exporting, What: "out", Detail: "copying files", Bytes: 9},
	},
}

func TestWaitsOfABuild(t *testing.T) {
	t.Parallel()
	for name, c := range reportedSteps {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stopped := false
			w := &waitTracker{
				stopped: func() bool { return stopped }, open: map[digest.Digest]*openVertex{},
				exports: []Export{{Dir: "out"}},
				caches:  []Cache{{Type: "registry", Options: map[string]string{"ref": "ghcr.io/a/d"}}, {Type: "gha"}},
				watch: &stallWatch{
					files:        inputs.Files{Context: "../app", Named: map[string]string{"lib": "../lib"}},
					repositories: []string{"ghcr.io/a/b"},
				},
			}
			begun := time.Now()
			vertex := &client.Vertex{Digest: "sha256:a", Name: c.step, Started: &begun}
			w.vertex(&client.Vertex{Digest: "sha256:b", Name: "[2/2] RUN over", Started: &begun}, Step{})
			w.vertex(vertex, parseStep(c.step))
			pushes := false
			for _, status := range c.statuses {
				status.Vertex = vertex.Digest
				pushes = w.status(status) || pushes
			}
			w.vertex(&client.Vertex{Digest: "sha256:b", Started: &begun, Completed: &begun}, Step{})
			stopped = true
			w.vertex(
				&client.Vertex{Digest: vertex.Digest, Started: &begun, Completed: &begun, Error: "canceled"}, Step{},
			)
			got := w.waits(func(text string) string { return text })
			if len(got) != 1 {
				t.Fatalf("got %+v", got)
			}
			got[0].Since = time.Time{}
			if c.want.Phase != RunningStep {
				c.want.Step = got[0].Step
			}
			if got[0] != c.want || strings.Contains(got[0].Step.Command, "canary") {
				t.Errorf("got  %+v\nwant %+v", got[0], c.want)
			}
			if want := c.want.Phase == PushingLayers || c.want.Phase == PushingManifest; pushes != want {
				t.Errorf("a push: %v", pushes)
			}
		})
	}
}
