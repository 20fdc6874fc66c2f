//go:build linux

package e2e

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// busyRequests is the number of requests that the registry refuses. The daemon itself repeats a request five times at
// once.
const busyRequests = 8

const datedDockerfile = `FROM BUSYBOX
COPY Dockerfile /
RUN date +%s%N > /built
`

// The plugin retries the push to a busy registry and does not build again, even with noCache.
func TestPushIsRetriedWithoutABuild(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	var refused atomic.Int32
	var pushed sync.Map // digests of manifests
	registry.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/sha256:") {
				next.ServeHTTP(w, r)
				return
			}
			pushed.Store(r.URL.Path, true)
			if refused.Add(1) <= busyRequests {
				registrytest.Refuse(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down")
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	s := open(t,
		project(t,
			"context: { location: . }\nplatforms: [linux/amd64]\nnoCache: true\nbuildOnPreview: false\n"+
				"tags: [\""+registry.Host()+"/app:1\"]",
			map[string]string{"Dockerfile": datedDockerfile}))
	succeeds(t, s.Up("--skip-preview"), "+ 2 created")
	var images []any
	pushed.Range(func(path, _ any) bool { images = append(images, path); return true })
	if len(images) != 1 {
		t.Errorf("the step ran again: %v", images)
	}
	if refused.Load() <= busyRequests {
		t.Errorf("%d manifests were pushed, want a push after those that were refused", refused.Load())
	}
	succeeds(t, s.Destroy("--skip-preview"))
}

// A push to a missing repository fails at once, names the remedy and moves no tag.
func TestPushToAMissingRepositoryFailsAtOnce(t *testing.T) {
	t.Parallel()
	registry := registrytest.New(t)
	registry.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/blobs/uploads/") {
				registrytest.Refuse(w, http.StatusNotFound, "NAME_UNKNOWN",
					"The repository with name 'app' does not exist in the registry with id '123456789012'")
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	s := open(t,
		project(t,
			"context: { location: . }\nplatforms: [linux/amd64]\nbuildOnPreview: false\n"+
				"tags: [\""+registry.Host()+"/app:1\"]",
			map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"}))
	result := s.Up("--skip-preview")
	fails(t, result, "pushing to "+registry.Host()+"/app", "no such repository",
		"create app on "+registry.Host()+" first, a push does not create it")
	if len(s.Export()) != 0 {
		t.Errorf("state: %+v", s.Export())
	}
}
