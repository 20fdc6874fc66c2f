package provider

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/inputs"
)

// startEngine starts an engine that ends with the test.
func startEngine(t *testing.T, e *enginetest.Engine) (host string) {
	t.Helper()
	host = e.Host(t)
	t.Cleanup(func() {
		if err := e.End(); err != nil {
			t.Error(err)
		}
	})
	return host
}

// newFinder returns a finder for an image that needs no registry.
func newFinder() *builderFinder {
	return &builderFinder{
		hosts: func(context.Context) []string { return nil },
		note:  func(string) {}, sayOnce: func(string) {}, begin: func(string) func() { return func() {} },
		log: slog.New(slog.DiscardHandler),
	}
}

// Nobody chose the engine of the current Docker context for builds, so it does not do all that a Dockerfile asks for.
func TestAnEngineThatNobodyNamedIsGuarded(t *testing.T) {
	host := startEngine(t, &enginetest.Engine{})
	t.Setenv("DOCKER_HOST", host) // in place of a context: the same address
	f := newFinder()
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

// An engine in which our BuildKit does not run is passed over if nobody named it. The error says what to do.
func TestAnEngineInWhichOurBuildKitDoesNotRun(t *testing.T) {
	e := &enginetest.Engine{Classic: true}
	host := startEngine(t, e)
	e.MakeVolumeReadOnly(t, engine.Volume)
	t.Setenv("DOCKER_HOST", host)
	f := newFinder()
	_, err := f.connectCurrentEngine(t.Context())
	if err == nil || !canTryAnother(err) {
		t.Fatalf("got %v", err)
	}
	if _, err = f.connectEngine(t.Context(), engine.AtHost(host)); err == nil {
		t.Fatal("an engine without a working daemon is taken")
	}
	for _, want := range []string{
		"our BuildKit does not run in the Docker Engine at " + host + ": ", "read-only file system",
		"; use a Docker Engine that runs as root and allows privileged containers, or name another builder",
	} {
		if got := explainBuilder(err).Error(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Our BuildKit in a rootless engine leaves out limits as every rootless BuildKit does, so they are refused.
func TestLimitsInARootlessEngine(t *testing.T) {
	t.Setenv("PULUMI_BUILDKIT_DAEMON_IDLE", "1s")
	e := &enginetest.Engine{Classic: true}
	startEngine(t, e)
	rootless := enginetest.Proxy{Info: enginetest.BeRootless}.Serve(t, e)
	b, err := newFinder().connectEngine(t.Context(), engine.AtHost(rootless))
	if err != nil {
		t.Fatal(err)
	}
	defer b.release()
	if b.container == nil {
		t.Fatalf("got %+v", b)
	}
	if err := checkBuilderLimits(b, inputs.Limits{Memory: 1}); err == nil ||
		!strings.Contains(err.Error(), "it is rootless. Build on one that runs as root") {
		t.Errorf("got %v", err)
	}
	if err := checkBuilderLimits(b, inputs.Limits{ShmSize: 1}); err != nil {
		t.Error(err)
	}
}
