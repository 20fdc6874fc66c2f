package buildkit

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/login"
)

// dialLimit bounds the wait for a daemon's first answer.
const dialLimit = 20 * time.Second

// CheckEndpoint tells what is wrong with the address of a daemon, without dialing it. "unix:///path" and "tcp://host:port"
// are understood.
func CheckEndpoint(endpoint string) error {
	scheme, rest, ok := strings.Cut(endpoint, "://")
	if plain, found := login.Cut(endpoint); found {
		return fmt.Errorf("%q: an endpoint has no user and no password: BuildKit's protocol would not send them", plain)
	}
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

// InsecureTCPError says that a daemon on another machine was to be reached without TLS.
type InsecureTCPError struct{ Endpoint, Address string }

func (e *InsecureTCPError) Error() string {
	return fmt.Sprintf("%s: it was not dialed: %s is another machine, and without TLS everybody on the way reads the secrets of the build "+
		"and may change what is built", e.Endpoint, e.Address)
}

// CheckLocal returns an *InsecureTCPError when the text of an endpoint alone says that it is on another machine: tcp:// with
// an address. Of a name only Dial can tell.
func CheckLocal(endpoint string) error {
	hostPort, isTCP := strings.CutPrefix(endpoint, "tcp://")
	if host, _, err := net.SplitHostPort(hostPort); isTCP && err == nil {
		if addr, ok := parseAddress(host); ok && !isThisMachine(addr) {
			return &InsecureTCPError{Endpoint: endpoint, Address: addr.String()}
		}
	}
	return nil
}

// isThisMachine reports whether what is sent to addr stays on this machine: a loopback address, the one by which people say "this
// machine" when they copy it from a daemon's arguments (0.0.0.0), or one of an interface of its own.
func isThisMachine(addr netip.Addr) bool {
	addr = addr.Unmap()
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	own, _ := net.InterfaceAddrs() // without them only the loopback is known
	return slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == addr.WithZone("")
	})
}

// localDialer dials what leads to this machine and nothing else: what it judges is the very address that it dials.
type localDialer struct {
	endpoint string

	mu      sync.Mutex
	refusal error
}

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

func (d *localDialer) err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refusal
}

// Dial connects to the daemon at endpoint and waits for its first answer, 20 s at most. The caller closes the client.
//
// The error is a *NoDaemonError when nothing answers there, and an *InsecureTCPError for tcp:// to another
// machine than this one; DialInsecure reaches those too.
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

// DialInsecure is Dial for any machine.
func DialInsecure(ctx context.Context, endpoint string) (*client.Client, error) {
	return dial(ctx, endpoint)
}

// DialThrough is Dial over connections that connect makes, which knows better who must answer there.
func DialThrough(ctx context.Context, endpoint string, connect func(context.Context) (net.Conn, error)) (*client.Client, error) {
	return dial(ctx, endpoint, client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return connect(ctx) }))
}

// anyAddress stands for a path that the dialer knows. A client takes its address for a URL, and what a path has in it may be
// none, or another path: /a%2Fb.
const anyAddress = "unix:///buildkitd.sock"

func dial(ctx context.Context, endpoint string, opts ...client.ClientOpt) (*client.Client, error) {
	if err := CheckEndpoint(endpoint); err != nil {
		return nil, err
	}
	// A daemon that froze or a network that swallows packets would otherwise be waited for without end.
	alive := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second})
	address := endpoint
	if path, ok := strings.CutPrefix(endpoint, "unix://"); ok {
		address = anyAddress
		opts = append([]client.ClientOpt{client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return dialSocket(ctx, path)
		})}, opts...)
	}
	c, err := client.New(ctx, address, append(opts, client.WithGRPCDialOption(alive))...)
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

// NoDaemonError says that no daemon answers at an endpoint.
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

func unreachable(endpoint string, cause error) error {
	return &NoDaemonError{Endpoint: endpoint, Cause: cause}
}
