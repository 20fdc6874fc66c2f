package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/moby/moby/client"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/tunnel"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// UnreachableHosts returns those of the registries that are on the loopback of this machine, unless that is also the
// engine's loopback. The engine's own BuildKit, which is the same process, does not reach them there. The answer takes
// 20 s at most.
//
// Whether the engine reaches something at the address of a registry says nothing: it may be the registry of somebody
// else, or the tunnel of another build. Only our BuildKit in a container knows the tunnels. That also holds for a
// registry that does not listen now.
func (e *Engine) UnreachableHosts(ctx context.Context, hosts []string) ([]string, error) {
	var here []string
	for _, host := range hosts {
		if _, ok := tunnel.TargetOf(host, ""); ok {
			here = append(here, host)
		}
	}
	if len(here) == 0 {
		return nil, nil
	}
	shared, err := e.sharesLoopback(ctx)
	switch {
	case shared || err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return here, nil
}

// isOnAnotherMachine tells whether an engine is reached over a network.
func isOnAnotherMachine(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return true
	}
	isTCP := u.Scheme == "tcp" || u.Scheme == "http" || u.Scheme == "https"
	return u.Scheme == "ssh" || isTCP && !isLoopback(u.Hostname())
}

// isLoopback reports whether the name of a host alone says that it is on the loopback.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
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

// inspectRemote makes the engine ask a registry for an image.
func (e *Engine) inspectRemote(ctx context.Context, repository string) error {
	ctx, stop := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer stop()
	_, err := e.api.DistributionInspect(ctx, repository+":1", client.DistributionInspectOptions{})
	return err
}
