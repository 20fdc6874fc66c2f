package engine_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// A tunnel is not waited for without end, if an engine answers but starts no process any more.
func TestEngineThatStartsNoProcess(t *testing.T) {
	t.Parallel()
	var hangs atomic.Bool
	address := enginetest.Proxy{Block: func(r *http.Request) bool {
		return hangs.Load() && strings.HasSuffix(r.URL.Path, "/exec")
	}}.Serve(t, &apart)
	e, err := engine.Dial(t.Context(), engine.AtHost(address))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	host := registrytest.New(t).Host()
	b, err := e.StartBuilder(t.Context(), engine.BuilderOptions{Hosts: []string{host}, Note: func(string) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	hangs.Store(true)
	b.SetTunnelLimits(time.Second, time.Second)
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	_, err = b.BuildKit(ctx)
	failed, ok := errors.AsType[*engine.TunnelError](err)
	if !ok || failed.Address != host || failed.Host != address ||
		!strings.HasSuffix(failed.Error(), "no answer within 1s") {
		t.Errorf("got %v", err)
	}
	hangs.Store(false)
	daemon, err := b.BuildKit(ctx)
	if err != nil {
		t.Fatalf("when it starts processes again: %v", err)
	}
	_ = daemon.Close()
}

// An engine that starts no container does not hold up builds in another engine.
func TestStartsInSeveralEngines(t *testing.T) {
	t.Parallel()
	unlock, err := engine.LockStart(t.Context(), "tcp://one:2375")
	if err != nil {
		t.Fatal(err)
	}
	other, err := engine.LockStart(t.Context(), "tcp://two:2375")
	if err != nil {
		t.Fatal(err)
	}
	other()
	late := errors.New("too late")
	ctx, stop := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, late)
	defer stop()
	if _, err := engine.LockStart(ctx, "tcp://one:2375"); !errors.Is(err, late) {
		t.Errorf("two goroutines start a container in one engine: %v", err)
	}
	unlock()
	if again, err := engine.LockStart(t.Context(), "tcp://one:2375"); err != nil {
		t.Error(err)
	} else {
		again()
	}
}
