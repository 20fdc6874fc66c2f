package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/moby/buildkit/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// dialLimit is how long a daemon may take for its first answer.
const dialLimit = 20 * time.Second

// Options says how to reach a daemon.
type Options struct {
	TLS *TLS // for tcp://; nil means plain text
	// AllowInsecure permits plain text to another machine.
	AllowInsecure bool
	// Limit is how long the daemon may take for its first answer; 0: 20 s.
	Limit time.Duration
	// Version gets the version in the first answer of the daemon, which may be ""; it may be nil.
	Version func(version string)
	// Connect makes the connection instead of this package, if it is not nil.
	Connect func(context.Context) (net.Conn, error)
}

// NoDaemonError says that no daemon answers at an endpoint.
type NoDaemonError struct {
	Endpoint string
	Cause    error
	Accepted bool // something there accepted the connection; always true behind a program that connects
}

// Error names the endpoint and the cause.
func (e *NoDaemonError) Error() string {
	return fmt.Sprintf("no BuildKit daemon answers at %s: %v", e.Endpoint, e.Cause)
}

// Unwrap returns the cause.
func (e *NoDaemonError) Unwrap() error { return e.Cause }

// anyEndpoint is what BuildKit's client gets as endpoint; our dialer does not look at it. The client parses it as a
// URL, and not every path is one: /a%2Fb.
const anyEndpoint = "unix:///buildkitd.sock"

// Dial connects to the BuildKit daemon at e and waits for its first answer, as long as the limit of o at most. The
// caller closes the client.
//
// It returns a *NoDaemonError if nothing answers. Without AllowInsecure it returns an *InsecureTCPError for plain text
// to another machine. It returns a *TLSError if the two sides do not trust each other, and a *CertificateError for a
// bad TLS. It returns a *MissingProgramError if the program that connects does not exist.
func (e Endpoint) Dial(ctx context.Context, o Options) (*client.Client, error) {
	d := &dialer{Endpoint: e, options: o}
	options, err := d.clientOptions()
	if err != nil {
		return nil, err
	}
	return d.connect(ctx, options)
}

// dialer makes one client.
type dialer struct {
	Endpoint
	options    Options
	handshakes *handshakes // nil: no TLS
	failed     lastError   // why the last connection was not made
	accepted   atomic.Bool // a connection was made
}

func (d *dialer) clientOptions() ([]client.ClientOpt, error) {
	// The limit of gRPC for a connection is as long as dialLimit. It is raised, so that dialLimit always ends the wait.
	limits := grpc.WithConnectParams(grpc.ConnectParams{
		Backoff: backoff.DefaultConfig, MinConnectTimeout: 2 * dialLimit,
	})
	options := []client.ClientOpt{
		client.WithGRPCDialOption(KeepAlive()), client.WithGRPCDialOption(limits), client.WithContextDialer(d.dial),
	}
	if d.options.TLS == nil || !d.IsTCP() {
		return options, nil
	}
	config, err := d.options.TLS.Config()
	if err != nil {
		return nil, err
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(d.rest)
	}
	d.handshakes = newHandshakes(config)
	return append(options,
		client.WithGRPCDialOption(grpc.WithTransportCredentials(d.handshakes)),
		client.WithGRPCDialOption(grpc.WithAuthority(config.ServerName))), nil
}

// dial makes a connection for gRPC. If that fails, it keeps the error for explain.
func (d *dialer) dial(ctx context.Context, _ string) (net.Conn, error) {
	conn, err := d.dialOnce(ctx)
	if err != nil {
		d.failed.set(err)
	} else {
		d.accepted.Store(true)
	}
	return conn, err
}

func (d *dialer) dialOnce(ctx context.Context) (net.Conn, error) {
	switch {
	case d.options.Connect != nil:
		return d.options.Connect(ctx)
	case d.scheme == "unix":
		return DialSocket(ctx, d.rest)
	case d.scheme == "tcp" && (d.options.TLS != nil || d.options.AllowInsecure):
		return (&net.Dialer{}).DialContext(ctx, "tcp", d.rest)
	case d.scheme == "tcp":
		return DialHere(ctx, d.text, d.rest)
	}
	return d.dialHelper(ctx)
}

// dialFirst connects to the first of the addresses that accepts a connection.
func dialFirst(ctx context.Context, addrs []netip.Addr, port string) (conn net.Conn, err error) {
	for _, addr := range addrs {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(addr.String(), port))
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// connect makes the client and waits for the first answer.
func (d *dialer) connect(ctx context.Context, options []client.ClientOpt) (*client.Client, error) {
	c, err := client.New(ctx, anyEndpoint, options...)
	if err != nil {
		return nil, &NoDaemonError{Endpoint: d.text, Cause: err}
	}
	limit := cmp.Or(d.options.Limit, dialLimit)
	waitCtx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer stop()
	info, err := c.Info(waitCtx)
	if err != nil {
		_ = c.Close()
		return nil, d.explain(ctx, waitCtx, err)
	}
	if d.options.Version != nil {
		d.options.Version(info.BuildkitVersion.Version)
	}
	return c, nil
}

// explain returns the error that says best why no daemon answered.
func (d *dialer) explain(ctx, waitCtx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	hasCertificate := d.options.TLS != nil && len(d.options.TLS.Cert) > 0
	if refused := d.handshakes.refusal(d.text, hasCertificate); refused != nil {
		return refused
	}
	failed := d.failed.get()
	if _, ok := errors.AsType[*InsecureTCPError](failed); ok {
		return failed
	}
	if _, ok := errors.AsType[*MissingProgramError](failed); ok {
		return failed
	}
	if status.Code(err) == codes.Unimplemented {
		err = errors.New("what listens there is no BuildKit daemon, or one that is older than v0.11: " +
			"it does not tell its version")
	}
	if waitCtx.Err() != nil {
		err = context.Cause(waitCtx)
	} else if interrupted := d.handshakes.interruption(); interrupted != nil {
		err = interrupted
	}
	return &NoDaemonError{Endpoint: d.text, Cause: err, Accepted: d.accepted.Load()}
}
