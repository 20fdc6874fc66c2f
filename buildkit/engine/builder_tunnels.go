package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/tunnel"
	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// acquireTunnel returns the tunnel of the container to the target, and opens it if no other build has. The caller
// releases it. It returns a *ClaimedError if the port leads to another machine, and a *TunnelError for any other
// failure.
func (b *Builder) acquireTunnel(ctx context.Context, target tunnel.Target, reserve bool) (*openTunnel, error) {
	host, address := b.engine.address.Host, target.Address()
	key := tunnelKey{host: host, container: b.name, address: address, reserve: reserve}
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
		return nil, &TunnelError{Address: address, Host: host, Cause: err}
	}
	return t, nil
}

// openTunnels opens the tunnels that the builder needs and does not have. A port at which nothing listens on this
// machine is reserved: BuildKit then finds nothing there, and not the registry of another machine.
func (b *Builder) openTunnels(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, target := range b.targets {
		reserve := !target.Answers(ctx)
		old := b.tunnels[target.Address()]
		if old != nil && !old.hasEnded() && (reserve || old.state != tunnel.Reserved) {
			continue
		}
		t, err := b.acquireTunnel(ctx, target, reserve)
		if err != nil {
			return err
		}
		if old != nil {
			old.release()
		}
		b.tunnels[target.Address()] = t
		if err := b.judge(target.Address(), t.state); err != nil {
			return err
		}
	}
	return nil
}

// judge decides what to do about the state of an address.
//
// If something else listens there on another machine, that is an error, because the image and the login would go to a
// stranger. A virtual machine of this machine publishes the ports of its containers here, so that is the registry that
// was meant: it gets a note.
func (b *Builder) judge(address string, state tunnel.State) error {
	host := b.engine.address.Host
	switch {
	case state == tunnel.Bound, state == tunnel.Occupied && isOnAnotherMachine(host):
		return &OccupiedError{Address: address, Host: host}
	case state == tunnel.Occupied:
		b.noteOnce(fmt.Sprintf("%s: a registry in the network of the Docker Engine at %s listens there, and is used "+
			"instead of the one of this machine", address, host))
	case state == tunnel.Listening:
		b.noteOnce(fmt.Sprintf("%s of this machine: the Docker Engine at %s reaches it through a tunnel while it "+
			"builds", address, host))
	}
	return nil
}

// noteOnce shows a line that this builder has not shown yet.
func (b *Builder) noteOnce(line string) {
	if !b.noted[line] {
		b.noted[line] = true
		b.note(line)
	}
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
