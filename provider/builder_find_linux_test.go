package provider

import (
	"context"
	"log/slog"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
)

// Nobody chose the engine of the current Docker context for builds, so it does not do all that a Dockerfile asks for.
func TestAnEngineThatNobodyNamedIsGuarded(t *testing.T) {
	var e enginetest.Engine
	host := e.Host(t)
	t.Cleanup(func() {
		if err := e.End(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("DOCKER_HOST", host) // in place of a context: the same address
	f := &builderFinder{
		hosts: func(context.Context) []string { return nil },
		note:  func(string) {}, begin: func(string) func() { return func() {} }, log: slog.New(slog.DiscardHandler),
	}
	b, err := f.connectCurrentEngine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.release()
	if !b.guarded || b.engine == nil || b.engine.Host != host {
		t.Errorf("got %+v", b)
	}
	named, err := f.connectEngine(t.Context(), engine.AtHost(host))
	if err != nil {
		t.Fatal(err)
	}
	defer named.release()
	if named.guarded {
		t.Error("an engine that the program names is guarded: it may do what its owner lets it do")
	}
}
