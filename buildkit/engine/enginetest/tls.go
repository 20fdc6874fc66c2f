//go:build linux

package enginetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// TLSName is the name in the certificates of engines.
const TLSName = "engine"

// Certificate is for both sides of a connection with TLS, and its own authority.
type Certificate struct {
	Cert, Key []byte // PEM
	pair      tls.Certificate
}

// Config returns a configuration with which a port of an engine accepts a client.
func (c Certificate) Config() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(c.pair.Leaf)
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: TLSName, Certificates: []tls.Certificate{c.pair},
	}
}

// ServeTLS puts a port with TLS before the socket of the engine, until the end of the test. It takes only clients with
// the certificate. address is such as 127.0.0.1:0. ServeTLS returns the one that it got.
func (e *Engine) ServeTLS(t testing.TB, address string) (listens string, c Certificate) {
	t.Helper()
	e.Host(t)
	c, err := newCertificate()
	if err != nil {
		t.Fatal(err)
	}
	config := c.Config()
	config.ClientCAs, config.ClientAuth = config.RootCAs, tls.RequireAndVerifyClientCert
	listener, err := tls.Listen("tcp", address, config)
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
			go forward(conn, e.Socket())
		}
	}()
	return listener.Addr().String(), c
}

// forward copies both ways between a connection and a socket, until one side ends.
func forward(conn net.Conn, socket string) {
	defer func() { _ = conn.Close() }()
	to, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	var once sync.Once
	end := func() { once.Do(func() { _, _ = conn.Close(), to.Close() }) }
	go func() { _, _ = io.Copy(to, conn); end() }()
	_, _ = io.Copy(conn, to)
	end()
}

func newCertificate() (c Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{TLSName}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, NotBefore: time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return c, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return c, err
	}
	c.Cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	c.Key = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})
	c.pair, err = tls.X509KeyPair(c.Cert, c.Key)
	return c, err
}
