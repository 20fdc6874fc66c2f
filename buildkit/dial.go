package buildkit

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// dialLimit bounds the wait for a daemon's first answer.
const dialLimit = 20 * time.Second

// localDialer dials this machine only. It resolves the host itself, so that it checks the same address that it dials.
type localDialer struct {
	endpoint string

	mu      sync.Mutex
	refusal error
}

// dial connects to a "host:port". It returns an *InsecureTCPError if the host has an address of another machine.
func (d *localDialer) dial(ctx context.Context, hostPort string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "localhost"
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		if !isThisMachine(addr) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.refusal = &InsecureTCPError{Endpoint: d.endpoint, Address: addr.String()}
			return nil, d.refusal
		}
	}
	for _, addr := range addrs {
		var conn net.Conn
		if conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(addr.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// err returns the *InsecureTCPError of a dial; nil if there was none.
func (d *localDialer) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refusal
}

// Dial connects to the daemon at endpoint and waits at most 20 s for its first answer. The caller closes the client.
//
// It returns an *EndpointError for an endpoint that cannot be used, and a *NoDaemonError if no daemon answers. For
// tcp:// to another machine it returns an *InsecureTCPError; DialInsecure connects to those too.
func Dial(ctx context.Context, endpoint string) (*client.Client, error) {
	local := &localDialer{endpoint: endpoint}
	var opts []client.ClientOpt
	if strings.HasPrefix(endpoint, "tcp://") {
		opts = append(opts, client.WithContextDialer(local.dial))
	}
	c, err := dial(ctx, endpoint, opts...)
	if refused := local.err(); err != nil && refused != nil {
		return nil, refused
	}
	return c, err
}

// DialInsecure does what Dial does, for any machine.
func DialInsecure(ctx context.Context, endpoint string) (*client.Client, error) {
	return dial(ctx, endpoint)
}

// DialThrough does what Dial does, over connections that connect makes. connect may check who answers.
func DialThrough(
	ctx context.Context, endpoint string, connect func(context.Context) (net.Conn, error),
) (*client.Client, error) {
	dialer := func(ctx context.Context, _ string) (net.Conn, error) { return connect(ctx) }
	return dial(ctx, endpoint, client.WithContextDialer(dialer))
}

// anyAddress stands for a path that only the dialer knows.
//
// A client parses its address as a URL. The path of a socket may be no valid URL, or another path: /a%2Fb.
const anyAddress = "unix:///buildkitd.sock"

// dial connects to the daemon at endpoint and waits for its first answer.
func dial(ctx context.Context, endpoint string, opts ...client.ClientOpt) (*client.Client, error) {
	if err := CheckEndpoint(endpoint); err != nil {
		return nil, err
	}
	// Without keepalive, a frozen daemon or a network that drops packets would block the client forever.
	alive := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second})
	address := endpoint
	if path, ok := strings.CutPrefix(endpoint, "unix://"); ok {
		address = anyAddress
		dialer := func(ctx context.Context, _ string) (net.Conn, error) { return dialSocket(ctx, path) }
		opts = append([]client.ClientOpt{client.WithContextDialer(dialer)}, opts...)
	}
	c, err := client.New(ctx, address, append(opts, client.WithGRPCDialOption(alive))...)
	if err != nil {
		return nil, &NoDaemonError{Endpoint: endpoint, Cause: err}
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
		return nil, &NoDaemonError{Endpoint: endpoint, Cause: err}
	}
	return c, nil
}

// NoDaemonError is an endpoint at which no daemon answers.
type NoDaemonError struct {
	Endpoint string
	Cause    error
}

// Error names the endpoint and the cause.
func (e *NoDaemonError) Error() string {
	return fmt.Sprintf("no BuildKit daemon answers at %s: %v", e.Endpoint, e.Cause)
}

// Unwrap returns the cause.
func (e *NoDaemonError) Unwrap() error { return e.Cause }
