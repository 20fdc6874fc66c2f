package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// TLS holds the certificates of a connection, in PEM. Every field may be empty.
type TLS struct {
	CA         []byte // who may sign the daemon's certificate; empty: the authorities of this machine
	Cert, Key  []byte // the client's certificate and its private key: both or none
	ServerName string // the name in the daemon's certificate; "": the host of the endpoint
}

// CertificateError says which part of a TLS is not a valid certificate or key. It never holds the text of the part.
type CertificateError struct {
	Part  string // "ca", "cert" or "key"
	Cause error
}

// Error names the part and the cause.
func (e *CertificateError) Error() string { return fmt.Sprintf("tls.%s: %v", e.Part, e.Cause) }

// Unwrap returns the cause.
func (e *CertificateError) Unwrap() error { return e.Cause }

// Config returns the TLS configuration of a client, or a *CertificateError.
func (t *TLS) Config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if len(t.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, &CertificateError{Part: "ca", Cause: errors.New("it holds no certificate in PEM")}
		}
	}
	if len(t.Cert) == 0 && len(t.Key) == 0 {
		return config, nil
	}
	switch {
	case len(t.Cert) == 0:
		return nil, &CertificateError{Part: "cert", Cause: errors.New("a key needs its certificate")}
	case len(t.Key) == 0:
		return nil, &CertificateError{Part: "key", Cause: errors.New("a certificate needs its key")}
	}
	pair, err := tls.X509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, &CertificateError{Part: "cert", Cause: err}
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// handshakes makes TLS connections for gRPC and keeps why the last one failed: gRPC hands on its text only.
type handshakes struct {
	credentials.TransportCredentials

	mu         sync.Mutex
	failed     error
	noProtocol bool // the other side agreed to none of the protocols that were offered
}

// errNoProtocol says that the other side of a TLS connection did not agree to HTTP/2, without which there is no gRPC.
var errNoProtocol = errors.New("it agrees to no protocol inside TLS (ALPN)")

// newHandshakes returns handshakes with config, which it changes.
func newHandshakes(config *tls.Config) *handshakes {
	h := &handshakes{}
	config.VerifyConnection = func(state tls.ConnectionState) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.noProtocol = state.NegotiatedProtocol == ""
		return nil
	}
	h.TransportCredentials = credentials.NewTLS(config)
	return h
}

// ClientHandshake implements credentials.TransportCredentials.
func (h *handshakes) ClientHandshake(
	ctx context.Context, authority string, raw net.Conn,
) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		h.note(err)
		return conn, info, err
	}
	return &alertConn{Conn: conn, note: h.note}, info, nil
}

// Clone implements credentials.TransportCredentials. Both note failures in one place.
func (h *handshakes) Clone() credentials.TransportCredentials { return h }

// note keeps err. An error of gRPC about the missing protocol becomes errNoProtocol.
func (h *handshakes) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.noProtocol && !isRefusal(err) {
		err = errNoProtocol
	}
	h.failed = err
}

// refusal returns a *TLSError if the last handshake failed because one side refused the other, or nil.
func (h *handshakes) refusal(endpoint string, hasCertificate bool) error {
	failed := h.lastError()
	if !isRefusal(failed) {
		return nil
	}
	return &TLSError{Endpoint: endpoint, Refusal: refusalOf(failed, hasCertificate), Cause: failed}
}

// interruption returns why the last handshake did not end, or nil. Nobody refused anybody then.
func (h *handshakes) interruption() error {
	failed := h.lastError()
	switch {
	case failed == nil || isRefusal(failed):
		return nil
	case errors.Is(failed, io.EOF), errors.Is(failed, io.ErrUnexpectedEOF):
		return errors.New("what listens there closed the connection during the TLS handshake")
	}
	return fmt.Errorf("the TLS handshake failed: %w", failed)
}

// lastError returns why the last handshake failed, or nil.
func (h *handshakes) lastError() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed
}

// alertConn notes the alerts of the other side. With TLS 1.3 a server refuses a client certificate only after the
// handshake has ended for the client.
type alertConn struct {
	net.Conn
	note func(error)
}

// Read implements net.Conn.
func (c *alertConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if isAlert(err) {
		c.note(err)
	}
	return n, err
}

// Write implements net.Conn. If it fails, it reads why: the alert came before the connection was closed.
func (c *alertConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		_, _ = c.Read(make([]byte, 1))
	}
	return n, err
}
