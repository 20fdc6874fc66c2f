package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/tunnel"
)

// tunnelLimits bound how long it takes to open a tunnel.
type tunnelLimits struct {
	open  time.Duration // all of it
	claim time.Duration // the wait for a tunnel to another machine to end
}

var defaultTunnelLimits = tunnelLimits{open: tunnel.ClaimLimit + startLimitInside, claim: tunnel.ClaimLimit}

// tunnelKey identifies a tunnel of this process.
type tunnelKey struct {
	host, container, address string

	reserve bool // nothing listens at the address on this machine: see tunnel.Request
}

// tunnels are those that are open. Builds that run at once share them.
var tunnels = struct {
	sync.Mutex
	open map[tunnelKey]*openTunnel
}{open: map[tunnelKey]*openTunnel{}}

// openTunnel leads from a port in the network of an engine to the same port of this machine's loopback.
type openTunnel struct {
	key    tunnelKey
	target tunnel.Target
	users  int // under the lock of tunnels
	once   sync.Once
	ready  chan struct{} // closed when state and err are known
	state  tunnel.State
	err    error
	close  context.CancelCauseFunc
	ended  chan struct{} // closed when nothing of it is left
}

// errUnused ends a tunnel.
var errUnused = errors.New("no build needs the tunnel any more")

// hasEnded reports whether the tunnel has ended by itself, or something else was there, which may have ended since.
func (t *openTunnel) hasEnded() bool {
	select {
	case <-t.ended:
		return t.state != tunnel.Same
	default:
		return false
	}
}

// release gives the tunnel back. It ends with its last user.
func (t *openTunnel) release() {
	tunnels.Lock()
	t.users--
	last := t.users == 0
	if last && tunnels.open[t.key] == t {
		delete(tunnels.open, t.key)
	}
	tunnels.Unlock()
	if last {
		t.close(errUnused)
		<-t.ended
	}
}

// settle says what became of the tunnel. Only the first call counts.
func (t *openTunnel) settle(state tunnel.State, err error) {
	t.once.Do(func() {
		t.state, t.err = state, err
		close(t.ready)
	})
}

// run opens the tunnel and serves it until it is closed or the container ends. The error is why it could not be opened:
// a tunnel that breaks is opened again for the next solve.
func (t *openTunnel) run(ctx context.Context, b *Builder) (err error) {
	limit := b.tunnelLimits.open
	opening, opened := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer opened()
	// The tunnel has a connection to the engine of its own: that of its first user may end earlier.
	container := b.builderContainer
	if container.engine, err = Dial(opening, b.engine.address); err != nil {
		return err
	}
	defer func() { _ = container.engine.Close() }()
	prover, err := tunnel.NewProver(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = prover.Close() }()
	request := tunnel.Request{Addresses: t.target.Addresses, Proof: prover.Proof(), Reserve: t.key.reserve}
	conn, state, err := container.startTunnel(opening, request, b.tunnelLimits.claim)
	if err != nil {
		return cmp.Or(context.Cause(opening), err)
	}
	defer func() { _ = conn.Close() }()
	t.settle(state, nil)
	switch state {
	case tunnel.Listening:
		return tunnel.Serve(ctx, conn, t.target)
	case tunnel.Reserved:
		stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) //nolint:forbidigo // cannot panic
		defer stop()
		_, _ = io.Copy(io.Discard, conn)
	}
	return nil
}

// startTunnel runs the program that listens in the container, and returns its standard input and output.
func (c builderContainer) startTunnel(
	ctx context.Context, request tunnel.Request, claimLimit time.Duration,
) (net.Conn, tunnel.State, error) {
	conn, err := c.exec(ctx, inside.TunnelRole)
	if err != nil {
		return nil, "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) //nolint:forbidigo // cannot panic
	defer stop()
	greeted := newGreeting(conn)
	state, err := negotiate(ctx, greeted, request, claimLimit)
	if err == nil && state == tunnel.Claimed {
		err = &ClaimedError{Address: request.Addresses[0], Host: c.engine.address.Host}
	}
	if err != nil {
		return nil, "", errors.Join(err, conn.Close())
	}
	return greeted, state, nil
}

// negotiate sends the request and answers the questions about other tunnels. It returns the last state.
func negotiate(
	ctx context.Context, conn greeting, request tunnel.Request, claimLimit time.Duration,
) (tunnel.State, error) {
	line, err := json.Marshal(request)
	for began := time.Now(); err == nil; {
		var found tunnel.Answer
		if err := conn.exchange(append(line, '\n'), &found); err != nil || found.State != tunnel.Asking {
			return found.State, err
		}
		line, err = json.Marshal(tunnel.Verdict{
			Here: tunnel.HoldsHere(ctx, found.Holders), Stop: time.Since(began) > claimLimit,
		})
	}
	return "", err
}
