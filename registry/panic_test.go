package registry_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// TestAPanicEndsOneCall holds that a panic on the way of a request, in goroutines of go-containerregistry and of ours,
// is the error of one call.
func TestAPanicEndsOneCall(t *testing.T) {
	t.Parallel()
	r := registrytest.New(t)
	digest := r.Push(t, "app", registrytest.Index(t, "linux/amd64", "linux/arm64"))
	tags := []registry.Tag{parseTag(t, r.Host()+"/app:1"), parseTag(t, r.Host()+"/app:2")}
	for name, broken := range map[string]func(*http.Request) bool{
		"ping":      func(req *http.Request) bool { return req.URL.Path == "/v2/" },
		"manifests": func(req *http.Request) bool { return req.URL.Path != "/v2/" && req.Method == http.MethodGet },
		"tags":      func(req *http.Request) bool { return req.Method == http.MethodPut },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			way := &network{answer: func(req *http.Request) (*http.Response, error) {
				if broken(req) {
					panic(name)
				}
				return http.DefaultTransport.RoundTrip(req)
			}}
			client := registry.New(registry.NewKeychain(nil),
				registry.Options{Transport: way, RetryWaits: []time.Duration{}})
			_, err := client.Inspect(t.Context(), r.Host()+"/app", digest)
			if _, ok := errors.AsType[*rescue.PanicError](err); ok != (name != "tags") {
				t.Errorf("verify: %v", err)
			}
			moved, err := client.SetTags(t.Context(), r.Host()+"/app", digest, tags)
			if _, ok := errors.AsType[*rescue.PanicError](err); !ok || len(moved) > 0 {
				t.Errorf("tags: moved %v, %v", moved, err)
			}
		})
	}
}
