//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// If the registry refuses one tag, the state has the other. The next update sets the missing one without a build.
func TestNextUpdateSetsTheMissingTags(t *testing.T) {
	t.Parallel()
	registry := newPrivateRegistry(t, "")
	var allowed atomic.Bool
	registry.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/manifests/2",
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			if allowed.Load() {
				next.ServeHTTP(w, req)
				return
			}
			registrytest.Refuse(w, http.StatusForbidden, "DENIED", "not this tag")
		}})
	s := open(t, project(t, withHost(registry.Host(), twoTags), fromScratchFiles))
	fails(t, s.Up("--skip-preview"), "tagging "+registry.Host()+"/app:2: 403 denied")
	digest := registry.tagDigest(t, "app:1")
	outputs := image(t, s).Outputs
	if digest == "" || outputs["digest"] != digest || fmt.Sprint(outputs["refs"]) != "["+registry.Host()+"/app:1]" {
		t.Errorf("tag 1 holds %q, the state has %v", digest, outputs)
	}

	allowed.Store(true)
	replaceProgram(t, s, project(t, withHost(registry.Host(), twoTags+noBuilder), nil))
	succeeds(t, s.Up(), "[diff: ~tags]", "~ 1 updated")
	if got := registry.tagDigest(t, "app:2"); got != digest {
		t.Errorf("tag 2 holds %q, want %s", got, digest)
	}
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")

	// A failed update keeps the old inputs in the state. A refresh forgets that the update failed.
	allowed.Store(false)
	replaceProgram(t, s, project(t, withHost(registry.Host(), twoTags), nil))
	must(t, s.Write("src/file", "changed"))
	fails(t, s.Up("--skip-preview"), "/app:2: 403 denied")
	allowed.Store(true)
	succeeds(t, s.Refresh("--skip-preview"))
	succeeds(t, s.Up("--skip-preview"), "~ 1 updated")
	if one, two := registry.tagDigest(t, "app:1"), registry.tagDigest(t, "app:2"); one == digest || one != two ||
		one != image(t, s).Outputs["digest"] {
		t.Errorf("the tags hold %s and %s, before the change %s", one, two, digest)
	}
}

// A plugin that is killed between push and tag leaves no state. The next update succeeds.
func TestAPluginKilledBetweenPushAndTag(t *testing.T) {
	t.Parallel()
	registry := newPrivateRegistry(t, "")
	tagging, gone := make(chan struct{}), make(chan struct{})
	registry.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/manifests/1", Times: 1,
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			close(tagging)
			registrytest.Stall(w, req, next)
			close(gone)
		}})
	s := open(t, project(t, withHost(registry.Host(), twoTags), fromScratchFiles))
	p := s.StartUp("--skip-preview")
	if err := stack.WaitUntil(t.Context(), time.Minute, func() bool { return isClosed(tagging)(s) }); err != nil {
		t.Fatal(err)
	}
	stack.Kill(slices.DeleteFunc(s.Plugins(),
		func(p stack.Proc) bool { return !strings.Contains(p.Command, "pulumi-resource-buildkit") }))
	<-gone
	result, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	fails(t, result)
	if got := registry.tagDigest(t, "app:1"); got != "" || len(s.Export()) != 0 {
		t.Errorf("the tag holds %q, the state is %v", got, s.Export())
	}

	succeeds(t, s.Up("--skip-preview"), "+ 1 created")
	for _, tag := range []string{"app:1", "app:2"} {
		if got := registry.tagDigest(t, tag); got != image(t, s).Outputs["digest"] {
			t.Errorf("%s holds %q", tag, got)
		}
	}
}

// The registry refuses to change an immutable tag. The error says why and what to do, and the state stays. The same
// image is no change.
func TestImmutableTag(t *testing.T) {
	t.Parallel()
	registry := newPrivateRegistry(t, "")
	var first sync.Once
	registry.Inject(registrytest.Rule{Method: http.MethodPut, Path: "/manifests/1",
		Fault: func(w http.ResponseWriter, req *http.Request, next http.Handler) {
			written := true
			first.Do(func() { written = false; next.ServeHTTP(w, req) })
			if written {
				registrytest.Refuse(w, http.StatusBadRequest, "TAG_INVALID",
					"The image tag '1' already exists in the 'app' repository and cannot be overwritten because "+
						"the tag is immutable.")
			}
		}})
	s := open(t, project(t, withHost(registry.Host(),
		"context: { location: src }\nplatforms: [linux/amd64]\ntags: [\"HOST/app:1\"]"), fromScratchFiles))
	succeeds(t, s.Up("--skip-preview"))
	before := image(t, s).Outputs
	cli(t, s, "state", "delete", urn("image"), "--yes")
	succeeds(t, s.Up("--skip-preview"), "+ 1 created")

	must(t, s.Write("src/file", "changed"))
	fails(t, s.Up("--skip-preview"), "tagging "+registry.Host()+"/app:1: immutable tag",
		"it holds "+before["digest"].(string), "use a tag that changes with its content")
	if after := image(t, s).Outputs; fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the state is %v, was %v", after, before)
	}
	must(t, s.Write("src/file", "x"))
	succeeds(t, s.Up("--expect-no-changes"), "2 unchanged")
}
