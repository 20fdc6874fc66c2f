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

// UnreachableHosts returns those of the registries that listen on the loopback of this machine, unless that is also the
// engine's loopback. The engine's own BuildKit, which is the same process, does not reach them there. The answer takes
// 20 s at most.
//
// Whether the engine reaches something at the address of a registry says nothing: it may be the registry of somebody
// else, or the tunnel of another build. Only our BuildKit in a container knows the tunnels.
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
	switch {
	case shared || err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return here, nil
}

// OccupiedError says that something else listens at the address of a registry, on the machine of the engine.
type OccupiedError struct{ Address, Host string }

// Error names the address and the engine.
func (e *OccupiedError) Error() string {
	return fmt.Sprintf("%s: on the machine of the Docker Engine at %s something else listens at this port, so the "+
		"registry of this machine cannot be reached from there", e.Address, e.Host)
}

// judgeOccupied decides what to do if something listens already at the address of a registry in the network of the
// engine. On another machine it is an error, because the image and the login would go to a stranger. A virtual machine
// of this machine publishes the ports of its containers here, so that is the registry that was meant: it gets a note.
func (b *Builder) judgeOccupied(ctx context.Context, target tunnel.Target) error {
	shared, err := b.engine.sharesLoopback(ctx)
	switch {
	case shared || err != nil:
		return err
	case isOnAnotherMachine(b.engine.address.Host):
		return &OccupiedError{Address: target.Address, Host: b.engine.address.Host}
	}
	b.note(fmt.Sprintf("%s: a registry in the network of the Docker Engine at %s listens there, and is used instead "+
		"of the one of this machine", target.Address, b.engine.address.Host))
	return nil
}

// isOnAnotherMachine tells whether an engine is reached over a network.
func isOnAnotherMachine(host string) bool {
	u, err := url.Parse(host)
	if err != nil {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	isLoopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "ssh" || !isLoopback && (u.Scheme == "tcp" || u.Scheme == "http" || u.Scheme == "https")
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
