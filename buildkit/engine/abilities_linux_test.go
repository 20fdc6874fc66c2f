package engine_test

import (
	"net/http"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
)

// Whether an engine is rootless counts for its own BuildKit, and for ours in a container of it.
func TestAbilitiesOfARootlessEngine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		engine *enginetest.Engine
		info   func(*http.Response) error
		// withoutBuildKit makes the engine answer 404 to its BuildKit, as Podman does.
		withoutBuildKit bool
		want            bool
	}{
		"rootful":                 {engine: &containerd},
		"rootless":                {engine: &containerd, info: enginetest.BeRootless, want: true},
		"rootless, classic store": {engine: &classic, info: enginetest.BeRootless, want: true},
		"behind a proxy that forbids the question": {engine: &containerd, info: func(r *http.Response) error {
			r.StatusCode = http.StatusForbidden
			enginetest.ReplaceBody(r, []byte("forbidden"))
			return nil
		}},
		"without BuildKit": {engine: &containerd, withoutBuildKit: true, info: enginetest.BeRootless, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := enginetest.Proxy{Info: c.info, Hide: func(r *http.Request) bool {
				return c.withoutBuildKit && r.URL.Path == "/grpc"
			}}
			e, err := engine.Dial(t.Context(), engine.AtHost(proxy.Serve(t, c.engine)))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = e.Close() }()
			found, err := e.Abilities(t.Context())
			if err != nil || found.Rootless != c.want || (found.Version == "") != c.withoutBuildKit {
				t.Errorf("got %+v, %v", found, err)
			}
		})
	}
}
