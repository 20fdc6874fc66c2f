//go:build linux

package e2e

import (
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// fixed is a program whose image has the same digest whenever and wherever it is built.
const fixed = scratchImage + `
sourceDateEpoch: 0
dockerfile:
  inline: |
    FROM scratch
    COPY hello /hello
`

// The same program has the same digest on every builder: the embedded daemon of root and of an ordinary user, a Docker
// Engine with either store, and a daemon elsewhere. Its step writes files of other users. Nothing is built again or
// left.
func TestEachBuilderMakesTheSameImage(t *testing.T) {
	t.Parallel()
	properties := "context: { location: . }\nplatforms: [linux/" + runtime.GOARCH + "]\ntags: [\"REPO:1\"]\n" +
		"network: none\nsourceDateEpoch: 0\n" // the engines of the tests have no bridge
	files := map[string]string{
		"Dockerfile": "FROM BUSYBOX\nCOPY --chown=7:8 hello /hello\n" +
			"RUN mkdir -m 1777 /d && cp /hello /d && chown 1000:65535 /d/hello\n",
		"hello": "hello\n",
	}
	var mu sync.Mutex
	digests := map[any][]string{}
	t.Run("builders", func(t *testing.T) {
		for name, c := range map[string]struct {
			builder string
			open    func(*testing.T, fs.FS) *stack.Test
			says    string
		}{
			"embedded": {open: func(t *testing.T, p fs.FS) *stack.Test { return open(t, p) }},
			"embedded, ordinary user": {
				open: func(t *testing.T, p fs.FS) *stack.Test { return openRootless(t, p) },
				says: "building on the embedded BuildKit daemon: no Docker Engine answers",
			},
			"Docker Engine, containerd": {builder: endpointOf(t, &containerdEngine)},
			"Docker Engine, classic":    {builder: endpointOf(t, &classicEngine), says: "so our BuildKit runs there"},
			"elsewhere":                 {builder: elsewhere.endpoint(t)},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				if c.open == nil {
					c.open = func(t *testing.T, p fs.FS) *stack.Test { return openOn(t, nil, p) }
				}
				s := c.open(t, project(t, properties+c.builder, files))
				succeeds(t, s.Up("--skip-preview"), "+ 2 created", c.says)
				succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
				mu.Lock()
				defer mu.Unlock()
				digest := image(t, s).Outputs["digest"]
				digests[digest] = append(digests[digest], name)
			})
		}
	})
	if len(digests) != 1 {
		t.Errorf("the digests differ: %v", digests)
	}
}

// endpointOf returns the input that names a Docker Engine as the builder.
func endpointOf(t testing.TB, e *enginetest.Engine) string {
	t.Helper()
	return "builder: { endpoint: \"" + e.Host(t) + "\" }\n"
}

// An image is loaded into the engine that builds it, whatever the current Docker context is.
func TestLoadIntoTheBuilder(t *testing.T) {
	t.Parallel()
	host := containerdEngine.Host(t)
	properties := "context: { location: . }\ntags: [\"REPO:1\"]\npush: false\nload: true\n" +
		"builder: { endpoint: \"" + host + "\" }\n"
	s := open(t, project(t, properties, map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	c, err := client.New(client.WithHost(host))
	must(t, err)
	defer func() { _ = c.Close() }()
	if _, err := c.ImageInspect(t.Context(), repository(t)+":1"); err != nil {
		t.Error(err)
	}
}
