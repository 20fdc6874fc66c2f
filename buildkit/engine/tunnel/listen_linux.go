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

// Listen reads a Request from in and writes an Answer to out. If nothing answers at the addresses, it listens there and
// sends what it accepts through in and out, until in ends. folder is the same for all tunnels of a network: the volume,
// which containers of all versions share.
func Listen(ctx context.Context, folder string, in io.Reader, out io.Writer) error {
	plugin := lines{in: bufio.NewReader(in), out: out}
	var request Request
	if err := plugin.receive(&request); err != nil {
		return fmt.Errorf("the request of the client: %w", err)
	}
	addresses, err := request.parseAddresses()
	if err != nil {
		return err
	}
	if HoldsHere(ctx, []Proof{request.Proof}) {
		return plugin.send(Answer{State: Same})
	}
	claims, err := claimAll(ctx, folder, addresses, request.Proof, plugin)
	defer closeAll(claims)
	switch {
	case errors.Is(err, errClaimed):
		return plugin.send(Answer{State: Claimed})
	case errors.Is(err, errOccupied):
		return plugin.send(Answer{State: Occupied})
	case err != nil:
		return err
	case request.Reserve:
		return errors.Join(plugin.send(Answer{State: Reserved}), plugin.awaitEnd())
	}
	listeners, err := listenAll(ctx, addresses)
	defer closeAll(listeners)
	if errors.Is(err, unix.EADDRINUSE) {
		return plugin.send(Answer{State: Bound})
	}
	if err == nil {
		err = plugin.send(Answer{State: Listening})
	}
	if err != nil {
		return err
	}
	return forward(ctx, listeners, addresses[0], plugin)
}

func closeAll[C io.Closer](all []C) {
	for _, c := range all {
		_ = c.Close()
	}
}

// claimAll claims all addresses, always in the order of the request. It returns those claims that it has, after an
// error too.
func claimAll(
	ctx context.Context, folder string, addresses []netip.AddrPort, proof Proof, plugin lines,
) (claims []*claim, err error) {
	for _, addr := range addresses {
		c, err := claimAddress(ctx, folder, addr, proof, plugin.askVerdict)
		if err != nil {
			return claims, err
		}
		claims = append(claims, c)
	}
	return claims, nil
}

// listenAll listens at the addresses. It leaves out those behind the first that this network does not have. It returns
// those listeners that it has, after an error too.
func listenAll(ctx context.Context, addresses []netip.AddrPort) (listeners []net.Listener, err error) {
	for i, addr := range addresses {
		listener, err := listenShared(ctx, addr)
		isMissing := errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT)
		if i > 0 && isMissing {
			continue
		}
		if err != nil {
			return listeners, err
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

// lines is the connection to the plugin before the first request of HTTP/2.
type lines struct {
	in  *bufio.Reader
	out io.Writer
}

func (l lines) receive(into any) error {
	line, err := l.in.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, into)
}

func (l lines) send(a Answer) error {
	text, err := json.Marshal(a)
	if err == nil {
		_, err = l.out.Write(append(text, '\n'))
	}
	return err
}

// askVerdict asks the plugin whether one of the holders is on its machine.
func (l lines) askVerdict(holders []Proof) (v Verdict, err error) {
	if err = l.send(Answer{State: Asking, Holders: holders[max(0, len(holders)-maxProofs):]}); err == nil {
		err = l.receive(&v)
	}
	return v, err
}

// awaitEnd returns when the plugin has ended the connection.
func (l lines) awaitEnd() error {
	_, err := io.Copy(io.Discard, l.in)
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
func forward(ctx context.Context, listeners []net.Listener, addr netip.AddrPort, plugin lines) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	other, err := newClient(ctx, addr, stdio{in: plugin.in, out: plugin.out, onEnded: end})
	if err != nil {
		return err
	}
	defer func() { _ = other.Close() }()
	stop := context.AfterFunc(ctx, func() { closeAll(listeners); _ = other.Close() }) //nolint:forbidigo // cannot panic
	defer stop()
	places := make(chan struct{}, maxConnections)
	var all sync.WaitGroup
	for _, listener := range listeners {
		rescue.GoGroup(&all, end, func() {
			end(accept(ctx, listener, places, func(conn net.Conn) {
				rescue.GoGroup(&all, end, func() {
					defer func() { <-places }()
					connect(ctx, other, addr, conn)
				})
			}))
		})
	}
	all.Wait()
	return nil
}

// accept calls serve for each connection, as soon as there is a place for it. It returns when the listener ends.
func accept(ctx context.Context, listener net.Listener, places chan<- struct{}, serve func(net.Conn)) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		select {
		case places <- struct{}{}:
			serve(conn)
		case <-ctx.Done():
			_ = conn.Close()
		}
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
