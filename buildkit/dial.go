package buildkit

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// dialLimit bounds the wait for a daemon's first answer.
const dialLimit = 20 * time.Second

// CheckEndpoint tells what is wrong with the address of a daemon, without dialing it. "unix:///path" and "tcp://host:port"
// are understood.
func CheckEndpoint(endpoint string) error {
	scheme, rest, ok := strings.Cut(endpoint, "://")
	switch {
	case !ok || rest == "":
		return fmt.Errorf("%q is not an endpoint: write unix:///run/buildkit/buildkitd.sock or tcp://host:port", endpoint)
	case scheme == "unix" && !strings.HasPrefix(rest, "/"):
		return fmt.Errorf("%q: a unix:// endpoint has an absolute path: unix:///run/buildkit/buildkitd.sock", endpoint)
	case scheme == "tcp" && !strings.Contains(rest, ":"):
		return fmt.Errorf("%q: a tcp:// endpoint has a port: tcp://%s:1234", endpoint, rest)
	case scheme != "unix" && scheme != "tcp":
		return fmt.Errorf("%q: the scheme %s:// is not known: use unix:// or tcp://", endpoint, scheme)
	}
	return nil
}

// Dial connects to the daemon at endpoint and waits for its first answer, 20 s at most. The caller closes the client.
//
// The error names the endpoint and what to do when nothing answers there.
func Dial(ctx context.Context, endpoint string) (*client.Client, error) {
	return dial(ctx, endpoint)
}

// DialThrough is Dial over connections that connect makes, which knows better who must answer there.
func DialThrough(ctx context.Context, endpoint string, connect func(context.Context) (net.Conn, error)) (*client.Client, error) {
	return dial(ctx, endpoint, client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return connect(ctx) }))
}

func dial(ctx context.Context, endpoint string, opts ...client.ClientOpt) (*client.Client, error) {
	if err := CheckEndpoint(endpoint); err != nil {
		return nil, err
	}
	// A daemon that froze or a network that swallows packets would otherwise be waited for without end.
	alive := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second})
	c, err := client.New(ctx, endpoint, append(opts, client.WithGRPCDialOption(alive))...)
	if err != nil {
		return nil, unreachable(endpoint, err)
	}
	waitCtx, stop := context.WithTimeoutCause(ctx, dialLimit, fmt.Errorf("no answer within %s", dialLimit))
	defer stop()
	if _, err := c.Info(waitCtx); err != nil {
		_ = c.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if waitCtx.Err() != nil {
			err = context.Cause(waitCtx)
		}
		return nil, unreachable(endpoint, err)
	}
	return c, nil
}

func unreachable(endpoint string, cause error) error {
	return fmt.Errorf("no BuildKit daemon answers at %s: %w; start one there (buildkitd --addr %s), "+
		"or correct builder.endpoint or BUILDKIT_HOST", endpoint, cause, endpoint)
}
