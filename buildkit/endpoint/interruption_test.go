package endpoint_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/endpoint"
)

// listen starts a server that gives each connection to handle and closes it afterwards. It returns the address.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				handle(conn)
				_ = conn.Close()
			}()
		}
	}()
	return "tcp://" + listener.Addr().String()
}

// TestInterruptedHandshakes checks that an interrupted handshake blames no certificate: the connection ended or hung,
// and a program between the two may be the cause.
func TestInterruptedHandshakes(t *testing.T) {
	t.Parallel()
	readHello := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 4096)) }
	for name, c := range map[string]struct {
		handle func(net.Conn)
		cause  string
	}{
		"it closes at once": {func(net.Conn) {}, "the TLS handshake"},
		"it closes after the greeting": {readHello,
			"what listens there closed the connection during the TLS handshake"},
		"it closes in a record": {func(conn net.Conn) {
			readHello(conn)
			_, _ = conn.Write([]byte{22, 3, 3, 1, 0, 2})
		}, "what listens there closed the connection during the TLS handshake"},
		"it resets": {func(conn net.Conn) {
			readHello(conn)
			_ = conn.(*net.TCPConn).SetLinger(0)
		}, "the TLS handshake failed: read tcp "},
		"it hangs": {func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }, "no answer within 20s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name == "it hangs" {
				t.Skip("it takes 20 s")
			}
			address := listen(t, c.handle)
			_, err := dial(t.Context(), t, address, endpoint.Options{TLS: &endpoint.TLS{CA: newAuthority(t).pem}})
			absent, ok := errors.AsType[*endpoint.NoDaemonError](err)
			if !ok || !absent.Accepted || !strings.Contains(err.Error(), c.cause) ||
				strings.Contains(err.Error(), "rpc error") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestServerWithoutALPN checks that an HTTPS server is told from a daemon, in both versions of TLS.
func TestServerWithoutALPN(t *testing.T) {
	t.Parallel()
	parties := newAlertParties(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{Certificates: []tls.Certificate{parties.pair}, MinVersion: version, MaxVersion: version}
		address := listen(t, func(conn net.Conn) {
			server := tls.Server(conn, config)
			_ = server.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.Copy(io.Discard, server)
		})
		_, err := dial(t.Context(), t, address, endpoint.Options{TLS: &parties.client})
		refused, ok := errors.AsType[*endpoint.TLSError](err)
		if !ok || refused.Refusal != endpoint.NoGRPC || strings.Contains(err.Error(), "grpc-go") ||
			!strings.Contains(err.Error(), "it speaks TLS, but no gRPC: it agrees to no protocol") {
			t.Errorf("version %x: %v", version, err)
		}
	}
}
