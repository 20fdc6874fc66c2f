package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/inside"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/tunnel"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// ClaimedError says that the engine has a tunnel from the same port to another machine.
type ClaimedError struct{ Address, Host string }

// Error names the port and the engine.
func (e *ClaimedError) Error() string {
	return fmt.Sprintf("%s: in the Docker Engine at %s, this port leads to another machine, for a build that runs "+
		"there now", e.Address, e.Host)
}

// TunnelError says that the tunnel to a registry on this machine could not be opened.
type TunnelError struct {
	Address, Host string // of the registry and of the engine
	Cause         error
}

// Error names the registry, the engine and the cause.
func (e *TunnelError) Error() string {
	return fmt.Sprintf("%s: the Docker Engine at %s got no tunnel to this port of this machine: %v", e.Address, e.Host,
		e.Cause)
}

// Unwrap returns the cause.
func (e *TunnelError) Unwrap() error { return e.Cause }

// tunnelLimit bounds how long it takes to open a tunnel. One to another machine may have to end before.
const tunnelLimit = tunnel.ClaimLimit + startLimitInside

// tunnelKey identifies a tunnel of this process.
type tunnelKey struct{ host, container, address string }

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

// hasEnded reports whether the tunnel has ended by itself.
func (t *openTunnel) hasEnded() bool {
	select {
	case <-t.ended:
		return t.state == tunnel.Listening || t.err != nil
	default:
		return false
	}
}

// acquireTunnel returns the tunnel of the container to the target, and opens it if no other build has. The caller
// releases it. It returns a *ClaimedError if the port leads to another machine, and a *TunnelError for any other
// failure.
func (b *Builder) acquireTunnel(ctx context.Context, target tunnel.Target) (*openTunnel, error) {
	key := tunnelKey{host: b.engine.address.Host, container: b.name, address: target.Address}
	tunnels.Lock()
	t := tunnels.open[key]
	if t == nil || t.hasEnded() {
		t = &openTunnel{key: key, target: target, ready: make(chan struct{}), ended: make(chan struct{})}
		tunnels.open[key] = t
		// Several builds share the tunnel, so it does not end with the first one's.
		var lasting context.Context
		lasting, t.close = context.WithCancelCause(context.WithoutCancel(ctx))
		rescue.Go(func(error) {}, func() {
			defer close(t.ended)
			defer t.close(nil)
			if err := rescue.Call(func() error { return t.run(lasting, b) }); err != nil {
				t.settle("", err)
			}
		})
	}
	t.users++
	tunnels.Unlock()
	select {
	case <-t.ready:
	case <-ctx.Done():
		t.release()
		return nil, context.Cause(ctx)
	}
	if err := t.err; err != nil {
		t.release()
		if errors.As(err, new(*ClaimedError)) {
			return nil, err
		}
		return nil, &TunnelError{Address: target.Address, Host: b.engine.address.Host, Cause: err}
	}
	return t, nil
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

// openTunnels opens the tunnels that the builder needs and does not have. A port at which nothing listens on this
// machine gets none: BuildKit then says so itself.
func (b *Builder) openTunnels(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, target := range b.targets {
		old := b.tunnels[target.Address]
		if old != nil && !old.hasEnded() || !target.Answers(ctx) {
			continue
		}
		t, err := b.acquireTunnel(ctx, target)
		if err != nil {
			return err
		}
		if old != nil {
			old.release()
		}
		b.tunnels[target.Address] = t
		switch t.state {
		case tunnel.Occupied:
			if err := b.judgeOccupied(ctx, target); err != nil {
				return err
			}
		case tunnel.Listening:
			b.note(fmt.Sprintf("%s of this machine: the Docker Engine at %s reaches it through a tunnel while it "+
				"builds", target.Address, b.engine.address.Host))
		}
	}
	return nil
}

// Close ends the tunnels that no other build needs. The container goes on running until it is idle.
func (b *Builder) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for address, t := range b.tunnels {
		t.release()
		delete(b.tunnels, address)
	}
	if b.spare != nil {
		_ = b.spare.Close()
		b.spare = nil
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
func (t *openTunnel) run(ctx context.Context, b *Builder) error {
	opening, opened := context.WithTimeoutCause(ctx, b.tunnelLimit, fmt.Errorf("no answer within %s", b.tunnelLimit))
	defer opened()
	// The tunnel has a connection to the engine of its own: that of its first user may end earlier.
	container := b.builderContainer
	var err error
	if container.engine, err = Dial(opening, b.engine.address); err != nil {
		return err
	}
	defer func() { _ = container.engine.Close() }()
	conn, state, err := container.startTunnel(opening, t.target)
	if err != nil {
		return cmp.Or(context.Cause(opening), err)
	}
	defer func() { _ = conn.Close() }()
	t.settle(state, nil)
	if state == tunnel.Listening {
		return tunnel.Serve(ctx, conn, t.target)
	}
	return nil
}

// startTunnel runs the program that listens in the container, and returns its standard input and output.
func (c builderContainer) startTunnel(ctx context.Context, target tunnel.Target) (net.Conn, tunnel.State, error) {
	machine, err := tunnel.Machine(ctx)
	if err != nil {
		return nil, "", err
	}
	request, err := json.Marshal(tunnel.Request{Address: target.Address, Machine: machine})
	if err != nil {
		return nil, "", err
	}
	conn, err := c.exec(ctx, inside.TunnelRole)
	if err != nil {
		return nil, "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) //nolint:forbidigo // cannot panic
	defer stop()
	var found tunnel.Answer
	greeted := newGreeting(conn)
	err = greeted.exchange(append(request, '\n'), &found)
	if err == nil && found.State == tunnel.Claimed {
		err = &ClaimedError{Address: target.Address, Host: c.engine.address.Host}
	}
	if err != nil {
		return nil, "", errors.Join(err, conn.Close())
	}
	return greeted, found.State, nil
}
