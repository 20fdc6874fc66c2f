//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

const twoTags = `
context: { location: src }
platforms: [linux/amd64]
tags: ["HOST/app:1", "HOST/app:2"]
`

// noBuilder names a builder that does not exist. An update that succeeds with it has built nothing.
const noBuilder = "builder: { endpoint: \"unix:///nowhere/b.sock\" }\n"

var fromScratchFiles = map[string]string{"src/Dockerfile": "FROM scratch\nCOPY file /\n", "src/file": "x"}

// A refresh shows that somebody moved or removed tags. The next update restores them without a build.
func TestRefreshShowsDriftAndUpdateRepairsIt(t *testing.T) {
	t.Parallel()
	registry := newPrivateRegistry(t, "")
	s := open(t, project(t, withHost(registry.Host(), twoTags), fromScratchFiles))
	succeeds(t, s.Up("--skip-preview"))
	digest := registry.tagDigest(t, "app:1")
	replaceProgram(t, s, project(t, withHost(registry.Host(), twoTags+noBuilder), nil))

	registry.push(t, "app:1")
	registry.remove(t, "app:2")
	succeeds(t, s.Refresh("--diff"), "- [0]: \""+registry.Host()+"/app:1\"", "~ 1 updated")
	if tags := fmt.Sprint(image(t, s).Outputs["tags"]); tags != "[]" {
		t.Errorf("after the refresh the state has the tags %s", tags)
	}
	succeeds(t, s.Up(), "[diff: ~tags]", "~ 1 updated")
	registry.remove(t, "app:2")
	succeeds(t, s.Up("--refresh", "--skip-preview"), "~ 1 updated")
	for _, tag := range []string{"app:1", "app:2"} {
		if got := registry.tagDigest(t, tag); got != digest {
			t.Errorf("%s holds %q, want %s", tag, got, digest)
		}
	}

	registry.remove(t, "app@"+digest)
	succeeds(t, s.Refresh(), "- 1 deleted")
	replaceProgram(t, s, project(t, withHost(registry.Host(), twoTags), nil))
	succeeds(t, s.Up("--skip-preview"), "+ 1 created")
	if got := registry.tagDigest(t, "app:1"); got != digest {
		t.Errorf("made again it is %q, want %s", got, digest)
	}
}

// An error of the registry does not mean that the image is gone.
func TestRefreshKeepsTheStateOnErrors(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	s := open(t, project(t, withHost(registry.Host(), twoTags), fromScratchFiles))
	succeeds(t, s.Up("--skip-preview"))
	before := fmt.Sprint(image(t, s))

	var status atomic.Int64
	registry.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if status.Load() == 0 {
				next.ServeHTTP(w, req)
				return
			}
			registrytest.Refuse(w, int(status.Load()), "X", "no")
		})
	})
	for code, says := range map[int64]string{http.StatusUnauthorized: "401 unauthorized",
		http.StatusForbidden: "403 denied", http.StatusBadGateway: "502"} {
		status.Store(code)
		succeeds(t, s.Refresh("--skip-preview"), "warning: the state is kept as it is", says, registry.Host(),
			"2 unchanged")
		if after := fmt.Sprint(image(t, s)); after != before {
			t.Errorf("%d changed the state: %s, was %s", code, after, before)
		}
	}
	status.Store(0)
	succeeds(t, s.Up("--expect-no-changes", "--refresh"), "2 unchanged")
}
