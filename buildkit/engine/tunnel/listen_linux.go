package tunnel

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pulumi-buildkit/pulumi-buildkit/internal/rescue"
)

// Listen reads a Request from in and writes an Answer to out. If nothing answers at the address, it listens there and
// sends what it accepts through in and out, until in ends. folder is the same for all tunnels of a network: the volume,
// which containers of all versions share.
func Listen(ctx context.Context, folder string, in io.Reader, out io.Writer) error {
	buffered := bufio.NewReader(in)
	var request Request
	line, err := buffered.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &request)
	}
	if err != nil {
		return fmt.Errorf("the request of the client: %w", err)
	}
	addr, err := parseRequest(request)
	if err != nil {
		return err
	}
	claimed, occupied, err := claimAddress(ctx, folder, addr, request.Machine)
	switch {
	case errors.Is(err, errClaimed):
		return answer(out, Claimed)
	case err != nil:
		return err
	case occupied:
		return answer(out, Occupied)
	}
	defer func() { _ = claimed.Close() }()
	listener, err := listenShared(ctx, addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	if err := answer(out, Listening); err != nil {
		return err
	}
	return forward(ctx, listener, addr, buffered, out)
}

func answer(out io.Writer, state State) error {
	text, err := json.Marshal(Answer{State: state})
	if err == nil {
		_, err = out.Write(append(text, '\n'))
	}
	return err
}

// listenShared listens at an address at which other tunnels to the same machine listen too. The kernel gives each
// connection to one of them.
func listenShared(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var failed error
		err := conn.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		return errors.Join(err, failed)
	}}
	return config.Listen(ctx, "tcp", addr.String())
}

// forward sends each accepted connection to the other side until the input ends.
func forward(ctx context.Context, listener net.Listener, addr netip.AddrPort, in io.Reader, out io.Writer) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	other, err := newClient(ctx, addr, stdio{in: in, out: out, onEnded: end})
	if err != nil {
		return err
	}
	defer func() { _ = other.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() }) //nolint:forbidigo // cannot panic
	defer stop()
	places := make(chan struct{}, maxConnections)
	var all sync.WaitGroup
	for {
		conn, err := listener.Accept()
		if err != nil {
			_ = other.Close()
			end(err)
			all.Wait()
			return nil //nolint:nilerr // the client has ended the tunnel
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			_ = conn.Close()
			continue
		}
		rescue.GoGroup(&all, end, func() {
			defer func() { <-places }()
			connect(ctx, other, addr, conn)
		})
	}
}

// newClient returns the HTTP/2 client of the other side.
func newClient(ctx context.Context, addr netip.AddrPort, conn net.Conn) (*http.ClientConn, error) {
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		HTTP2:       &http.HTTP2Config{SendPingTimeout: pingInterval, PingTimeout: pingLimit},
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
	}
	transport.Protocols.SetUnencryptedHTTP2(true)
	return transport.NewClientConn(ctx, "http", addr.String())
}

// connect joins a connection to a CONNECT of its own, until the registry or BuildKit ends it.
func connect(ctx context.Context, other *http.ClientConn, addr netip.AddrPort, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) //nolint:forbidigo // cannot panic
	defer stop()
	request := (&http.Request{
		Method: http.MethodConnect, URL: &url.URL{Scheme: "http", Host: addr.String()}, Host: addr.String(),
		Body: io.NopCloser(conn), ContentLength: -1, Header: http.Header{},
	}).WithContext(ctx)
	response, err := other.RoundTrip(request)
	if err != nil {
		return
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode == http.StatusOK {
		_, _ = io.Copy(conn, response.Body)
	}
}
