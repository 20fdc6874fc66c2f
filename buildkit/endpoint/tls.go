package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
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

	mu     sync.Mutex
	failed error
}

func newHandshakes(config *tls.Config) *handshakes {
	return &handshakes{TransportCredentials: credentials.NewTLS(config)}
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

func (h *handshakes) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = err
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

// err returns a *TLSError if a handshake failed, or nil.
func (h *handshakes) err(endpoint string, hasCertificate bool) error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		return nil
	}
	return &TLSError{Endpoint: endpoint, Refusal: refusalOf(h.failed, hasCertificate), Cause: h.failed}
}
