package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/tunnel"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// UnreachableHosts returns those of the registries that listen on the loopback of this machine, and that the engine
// does not reach there. Its own BuildKit does not either, because it is the same process. Each answer takes 20 s at
// most.
//
// The engine itself is asked for manifests (GET /distribution/…/json). If it then comes to a port of this process, its
// loopback is that of this machine. Otherwise a registry in the engine's own network may answer at the same port, as
// Docker Desktop has it for a registry in a container.
func (e *Engine) UnreachableHosts(ctx context.Context, hosts []string) ([]string, error) {
	var here []string
	for _, host := range hosts {
		if target, ok := tunnel.TargetOf(host); ok && target.Answers(ctx) {
			here = append(here, host)
		}
	}
	if len(here) == 0 {
		return nil, nil
	}
	shared, err := e.sharesLoopback(ctx)
	if shared || err != nil {
		return nil, err
	}
	var missing []string
	for _, host := range here {
		if !e.reachesRegistry(ctx, host) {
			missing = append(missing, host)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return missing, nil
}

// sharesLoopback reports whether the engine reaches a port on the loopback of this machine.
func (e *Engine) sharesLoopback(ctx context.Context) (bool, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return false, fmt.Errorf("a port of the loopback: %w", err)
	}
	// Somebody else may come to the port too, and does not know the name.
	name := strings.ToLower(rand.Text())
	var reached atomic.Bool
	server := &http.Server{
		ReadHeaderTimeout: answerLimit,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, name) {
				reached.Store(true)
				w.WriteHeader(http.StatusNotFound)
			}
		}),
	}
	served := make(chan error, 1)
	rescue.Go(func(err error) { served <- err }, func() { served <- server.Serve(listener) })
	_ = e.inspectRemote(ctx, listener.Addr().String()+"/"+name)
	err = errors.Join(server.Close(), ignoreClosed(<-served))
	return reached.Load(), err
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// reachesRegistry reports whether a registry answers the engine at a host.
func (e *Engine) reachesRegistry(ctx context.Context, host string) bool {
	err := e.inspectRemote(ctx, host+"/pulumi-buildkit/probe")
	return err == nil || cerrdefs.IsNotFound(err) || cerrdefs.IsUnauthorized(err) || cerrdefs.IsPermissionDenied(err)
}

// inspectRemote makes the engine ask a registry for an image.
func (e *Engine) inspectRemote(ctx context.Context, repository string) error {
	ctx, stop := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer stop()
	_, err := e.api.DistributionInspect(ctx, repository+":1", client.DistributionInspectOptions{})
	return err
}
