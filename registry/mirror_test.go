package registry_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/fault"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// recordQueries returns a function that returns the queries of all requests for manifests, each once.
func recordQueries(r *registrytest.Registry) func() []string {
	var mu sync.Mutex
	var queries []string
	r.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			if strings.Contains(req.URL.Path, "/manifests/") && !slices.Contains(queries, req.URL.RawQuery) {
				queries = append(queries, req.URL.RawQuery)
			}
			mu.Unlock()
			next.ServeHTTP(w, req)
		})
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(queries)
	}
}

// A mirror that has the tag is asked as BuildKit asks it, and nobody else is.
func TestResolveMirrored(t *testing.T) {
	t.Parallel()
	mirror, unused := registrytest.New(t), registrytest.New(t)
	want := mirror.Push(t, "docker-hub/library/alpine:3", registrytest.Index(t, "linux/amd64"))
	mirror.AskForTokens("", "me", canary)
	queries := recordQueries(mirror)
	client := registry.New(dockerKeychain(t, `{}`,
		registry.Login{Address: mirror.Host(), Username: "me", Password: canary}), registry.Options{})
	got, failed, err := client.ResolveMirrored(t.Context(), parseTag(t, "docker.io/library/alpine:3"),
		[]string{mirror.Host() + "/docker-hub", unused.Host()})
	if err != nil || got != want || len(failed) > 0 {
		t.Errorf("got %s, %v, %v, want %s", got, failed, err, want)
	}
	if got := queries(); !slices.Equal(got, []string{"ns=docker.io"}) {
		t.Errorf("the mirror was asked with %v", got)
	}
	if len(unused.Requests()) > 0 {
		t.Errorf("another mirror was asked too: %v", unused.Requests())
	}
}

// The registry is asked after mirrors that fail, are away or do not have the tag. Each of those is asked once.
func TestResolveWithoutAMirrorThatHasTheTag(t *testing.T) {
	t.Parallel()
	origin, empty, broken := registrytest.New(t), registrytest.New(t), registrytest.New(t)
	want := origin.Push(t, "base:1", registrytest.Image(t, "linux/amd64"))
	empty.Push(t, "base:2", registrytest.Image(t, "linux/amd64"))
	broken.Wrap(registrytest.Intercept("", "/manifests/1", refuse(http.StatusServiceUnavailable, "UNAVAILABLE", "no")))
	queries := recordQueries(origin)
	mirrors := []string{empty.Host(), broken.Host(), "127.0.0.1:1/path"}
	client := registry.New(nil, registry.Options{})
	got, failed, err := client.ResolveMirrored(t.Context(), parseTag(t, origin.Host()+"/base:1"), mirrors)
	if err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if len(failed) != 2 || failed[0].Mirror != broken.Host() || failed[1].Mirror != "127.0.0.1:1/path" {
		t.Errorf("got %v", failed)
	}
	for _, f := range failed {
		if !strings.HasPrefix(f.Error(), "mirror "+f.Mirror+": ") {
			t.Errorf("got %v", f)
		}
	}
	if asked := len(broken.Requests()); asked > 3 { // the ping, HEAD, and GET for the words of the registry
		t.Errorf("the mirror was asked again: %v", broken.Requests())
	}
	if got := queries(); !slices.Equal(got, []string{""}) {
		t.Errorf("the registry was asked with %v", got)
	}
	_, _, err = client.ResolveMirrored(t.Context(), parseTag(t, origin.Host()+"/base:3"), mirrors)
	expectError(t, err, fault.ErrNotFound, "resolving "+origin.Host()+"/base:3: not found: manifest unknown")
}

// Mirrors that are silent leave time for the registry, and each is named with how long it was waited for.
func TestSilentMirrorsLeaveTimeForTheRegistry(t *testing.T) {
	t.Parallel()
	origin := registrytest.New(t)
	want := origin.Push(t, "app:1", registrytest.Index(t, "linux/amd64"))
	var mirrors []string
	for range 2 {
		silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and answers nothing
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = silent.Close() })
		mirrors = append(mirrors, silent.Addr().String())
	}
	ctx, stop := context.WithTimeout(t.Context(), 6*time.Second)
	defer stop()
	client := registry.New(dockerKeychain(t, `{}`), registry.Options{})
	got, failed, err := client.ResolveMirrored(ctx, parseTag(t, origin.Host()+"/app:1"), mirrors)
	if err != nil || got != want || len(failed) != 2 || !strings.Contains(failed[0].Error(), "no answer within 2s") {
		t.Errorf("got %s, %v, %v, want %s", got, failed, err, want)
	}
}

// A registry that answers once and then hangs is not silent: its answer is the error.
func TestResolveBrieflyKeepsAnAnswer(t *testing.T) {
	t.Parallel()
	origin := registrytest.New(t)
	refusal := refuse(http.StatusTooManyRequests, "TOOMANYREQUESTS", "too many requests")
	var asked atomic.Bool
	origin.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			switch {
			case !strings.Contains(req.URL.Path, "/manifests/"):
				next.ServeHTTP(w, req)
			case req.Method == http.MethodGet || !asked.Swap(true):
				refusal(w, req)
			default:
				<-req.Context().Done()
			}
		})
	})
	ctx, stop := context.WithTimeout(t.Context(), 4*time.Second)
	defer stop()
	client := registry.New(dockerKeychain(t, `{}`), registry.Options{RetryWaits: []time.Duration{time.Millisecond}})
	_, err := client.ResolveBriefly(ctx, parseTag(t, origin.Host()+"/app:1"), 1)
	if !errors.Is(err, fault.ErrRateLimited) || registry.IsSilent(err) || ctx.Err() != nil {
		t.Errorf("got %v", err)
	}
}
