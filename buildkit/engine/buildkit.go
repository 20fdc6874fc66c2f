package engine

import (
	"context"
	"net"
	"time"

	bkclient "github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// BuildKit returns a client of the BuildKit that is part of the engine. It ends with the connection to the engine. The
// caller closes it.
func (e *Engine) BuildKit(ctx context.Context) (*bkclient.Client, error) {
	return newClient(ctx,
		bkclient.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return e.api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		bkclient.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return e.api.DialHijack(ctx, "/session", proto, meta)
		}))
}

// newClient returns a client that notices within seconds if nobody answers any more.
func newClient(ctx context.Context, options ...bkclient.ClientOpt) (*bkclient.Client, error) {
	alive := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second})
	return bkclient.New(ctx, "", append(options, bkclient.WithGRPCDialOption(alive))...)
}

// BuildKitIn returns a client of the BuildKit daemon in a running container, as buildx makes them. The caller closes
// it.
func (e *Engine) BuildKitIn(ctx context.Context, container string) (*bkclient.Client, error) {
	return newClient(ctx, bkclient.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
		return e.Exec(ctx, container, "buildctl", "dial-stdio")
	}))
}
