package engine_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine"
	"github.com/pulumi-buildkit/pulumi-buildkit/buildkit/engine/enginetest"
	"github.com/pulumi-buildkit/pulumi-buildkit/registry/registrytest"
)

// serveTLS puts a port with TLS before the socket of an engine. It returns the port's address, and a configuration with
// which the port accepts a client.
func serveTLS(t *testing.T, e *enginetest.Engine) (address string, trusting *tls.Config) {
	t.Helper()
	e.Host(t)
	certificate := selfSigned(t)
	pool := x509.NewCertPool()
	pool.AddCert(certificate.Leaf)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate},
		ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})
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
	return listener.Addr().String(), &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: "engine", Certificates: []tls.Certificate{certificate},
	}
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

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"engine"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, NotBefore: time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// The certificates of an address hold for its builds too. Without them nothing is built.
func TestEngineWithTLS(t *testing.T) {
	t.Parallel()
	address, trusting := serveTLS(t, &containerd)
	a := engine.AtHost("tcp://" + address)
	if e, err := engine.Dial(t.Context(), a); err == nil {
		_ = e.Close()
		t.Error("an engine with TLS takes a client without")
	}
	a.TLS = trusting
	if a.Plaintext() != "" {
		t.Errorf("plain text to %s, in spite of TLS", a.Plaintext())
	}
	e, err := engine.Dial(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Close() }()
	if able, err := e.Abilities(t.Context()); err != nil || !able.Stores {
		t.Errorf("got %+v, %v", able, err)
	}
	daemon, err := e.BuildKit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = daemon.Close() }()
	built, err := solve(t, daemon, newPlan(t, registrytest.New(t).Host()+"/image"))
	if err != nil || built.Digest == "" {
		t.Errorf("got %+v, %v", built, err)
	}
}
