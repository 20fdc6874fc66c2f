package engine_test

import (
	"slices"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
)

// The daemon in an engine does not inherit a proxy that it does not reach.
func TestProxyOnTheLoopback(t *testing.T) {
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	t.Setenv("https_proxy", "LOCALHOST:9")
	t.Setenv("ALL_PROXY", "http://proxy.example.com:3128")
	t.Setenv("NO_PROXY", "127.0.0.1")
	for name, c := range map[string]struct {
		engine *enginetest.Engine
		want   []string
	}{
		"another loopback": {engine: &apart, want: []string{"HTTP_PROXY", "https_proxy"}},
		"this loopback":    {engine: &classic},
	} {
		b, err := dial(t, c.engine).StartBuilder(t.Context(), engine.BuilderOptions{Note: func(string) {}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		defer b.Close()
		if got := b.SkippedProxies(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v", name, got)
		}
		environ := engine.Environ(t, b)
		if environ["ALL_PROXY"] == "" || (environ["HTTP_PROXY"] == "") != (c.want != nil) {
			t.Errorf("%s: %v", name, environ)
		}
	}
}
