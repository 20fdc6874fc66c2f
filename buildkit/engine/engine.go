// Package engine builds in a Docker Engine and loads images into it.
//
//	Address    says where an engine is: Current, InContext, AtHost   (address.go)
//	Engine     connects to it and asks what it can do                 (engine.go, abilities.go)
//	Builder    runs our BuildKit in a container of it                 (builder.go, container.go, image.go)
//	openTunnel leads to a registry on the loopback of this machine    (tunnels.go, package tunnel)
//	Image      goes into it                                           (load.go)
//
// Engine.BuildKit returns a client of the BuildKit that is part of the engine.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/moby/moby/client"
)

// answerLimit is how long the engine may take for its first answer.
const answerLimit = 20 * time.Second

// Engine is a connection to a Docker Engine. The caller closes it.
type Engine struct {
	address Address
	api     *client.Client
}

// NoEngineError says that no Docker Engine answers at an address.
type NoEngineError struct {
	Address Address
	Denied  bool // something listens there, and this user has no permission to connect
	Cause   error
}

// Error names the address, where it comes from, and the cause.
func (e *NoEngineError) Error() string {
	from := ""
	if e.Address.Source != e.Address.Host {
		from = " (" + e.Address.Source + ")"
	}
	return fmt.Sprintf("no Docker Engine answers at %s%s: %v", e.Address.Host, from, e.Cause)
}

// Unwrap returns the cause.
func (e *NoEngineError) Unwrap() error { return e.Cause }

// Dial connects to the engine at an address and waits for its first answer, 20 s at most. It returns a *NoEngineError
// if nothing answers.
func Dial(ctx context.Context, a Address) (*Engine, error) {
	options, err := a.options()
	if err != nil {
		return nil, &NoEngineError{Address: a, Cause: err}
	}
	api, err := client.New(options...)
	if err != nil {
		return nil, &NoEngineError{Address: a, Cause: err}
	}
	waitCtx, stop := context.WithTimeoutCause(ctx, answerLimit, fmt.Errorf("no answer within %s", answerLimit))
	defer stop()
	if _, err := api.Ping(waitCtx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		_ = api.Close()
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case waitCtx.Err() != nil:
			err = context.Cause(waitCtx)
		default:
			err = dialError(waitCtx, a, err)
		}
		return nil, &NoEngineError{Address: a, Denied: errors.Is(err, fs.ErrPermission), Cause: err}
	}
	return &Engine{address: a, api: api}, nil
}

// dialError returns the error of the connection without the remedy that the client of the engine wraps around it.
//
// The client replaces the error of a socket that this user may not open by a text. So dialError opens the socket again.
func dialError(ctx context.Context, a Address, err error) error {
	if path, ok := strings.CutPrefix(a.Host, "unix://"); ok {
		conn, again := new(net.Dialer).DialContext(ctx, "unix", path)
		if again == nil {
			_ = conn.Close()
		} else {
			err = again
		}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// Address returns where the engine is.
func (e *Engine) Address() Address { return e.address }

// Close closes the connection.
func (e *Engine) Close() error { return e.api.Close() }
