//go:build linux

package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
	"github.com/pulumi-buildkit/pulumi-buildkit/test/e2e/stack"
)

// atRequest prepares an update that waits at its first request of a kind: the registry never answers such requests.
// HOST in want, a pattern of the error, stands for the registry.
func atRequest(want string, kind func(*http.Request) bool) func(t *testing.T) *phase {
	return func(t *testing.T) *phase {
		registry := registrytest.New(t)
		return &phase{
			properties: "context: { location: . }\ntags: [\"" + registry.Host() + "/app:1\"]",
			// On a slow machine the daemon reports the push after its request.
			reached:  isClosedFor(interceptRequests(registry, kind, neverAnswer), 2*time.Second),
			registry: registry,
			want:     strings.ReplaceAll(want, "HOST", regexp.QuoteMeta(registry.Host())),
		}
	}
}

// neverAnswer sends no answer and returns when the client is gone.
func neverAnswer(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }

// interceptRequests applies a fault to requests of a kind. It returns a channel that the first of them closes.
func interceptRequests(registry *registrytest.Registry, kind func(*http.Request) bool,
	fault registrytest.Fault) <-chan struct{} {
	met := make(chan struct{})
	once := sync.OnceFunc(func() { close(met) })
	registry.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !kind(r) {
				next.ServeHTTP(w, r)
				return
			}
			once()
			fault(w, r, next)
		})
	})
	return met
}

// isTagRequest tells whether the request moves the tag.
func isTagRequest(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/1")
}

// whileLookingUpBase returns an update that asks a registry for a base image. The registry does not answer.
func whileLookingUpBase(t *testing.T) *phase {
	registry := registrytest.New(t)
	base := registry.Host() + "/base:1"
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]",
		dockerfile: "FROM " + base + "\n",
		reached: isClosed(interceptRequests(registry,
			func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }, registrytest.Stall)),
		want: "it was [^;]*asking " + registry.Host() + " for the base image " + base +
			" for [^;]*; nothing was pushed and no tag moved",
	}
}

// whilePulling returns an update that fetches the layer of a base image. The registry does not send the layer.
func whilePulling(t *testing.T) *phase {
	registry := registrytest.New(t)
	registry.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	base := registry.Host() + "/base:1"
	var seen atomic.Int32
	layer := func(r *http.Request) bool {
		// The first one is the configuration.
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") && seen.Add(1) > 1
	}
	return &phase{
		properties: "context: { location: . }\nplatforms: [linux/amd64]\ntags: [\"REPO:1\"]",
		dockerfile: "FROM " + base + "\nCOPY Dockerfile /\n",
		reached:    isClosed(interceptRequests(registry, layer, registrytest.Stall)),
		want: "it was [^;]*fetching base image " + base + "@sha256:[0-9a-f]{12}… from " + registry.Host() +
			".* for [^;]*; nothing was pushed and no tag moved",
	}
}

// whileCredentialHelperHangs returns an update that waits for a credential helper. The daemon needs the helper's answer
// before it pulls.
func whileCredentialHelperHangs(t *testing.T) *phase {
	registry := registrytest.New(t, registrytest.Login("user", "password"))
	folder := t.TempDir()
	asked := filepath.Join(folder, "asked")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("docker-credential-hanging", "#!/bin/sh\ntouch "+asked+"\nexec sleep 60\n")
	write("config.json", `{"credHelpers": {"`+registry.Host()+`": "hanging"}}`)
	return &phase{
		properties: "context: { location: . }\ntags: [\"REPO:1\"]",
		dockerfile: "FROM " + registry.Host() + "/base:1\n",
		env:        []string{"DOCKER_CONFIG=" + folder, "PATH=" + folder + ":" + os.Getenv("PATH")},
		reached:    func(*stack.Test) bool { _, err := os.Stat(asked); return err == nil },
		want: "it was [^;]*asking " + registry.Host() + " for the base image " + registry.Host() +
			"/base:1 for [^;]* and " +
			"waiting for docker-credential-hanging to give the login for " + registry.Host() +
			" for [^;]*; nothing was pushed and no tag moved",
	}
}

// whileRateLimited returns an update that waits because a registry asked for a pause of a minute.
func whileRateLimited(t *testing.T) *phase {
	registry := registrytest.New(t)
	busy := registrytest.Status(http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down", "60")
	return &phase{
		properties: "context: { location: . }\ntags: [\"" + registry.Host() + "/app:1\"]",
		registry:   registry,
		reached:    isClosedFor(interceptRequests(registry, isTagRequest, busy), 2*time.Second),
		// On a slow machine Ctrl-C may still come before the answer has arrived.
		want: "it was moving tags, waiting (?:to ask " + registry.Host() +
			" again for [^;]* of 1m0s, because: 429 rate limited: " +
			"slow down|for " + registry.Host() + " to answer PUT ).*; the image was pushed and no tag moved",
	}
}

// isDigestRequest tells whether the request is for a manifest by digest.
func isDigestRequest(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/sha256:") }
