package registrytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"
)

// ServeTLS serves the registry over TLS too, at OwnAddress. It returns that host, and the certificate of its authority
// as PEM.
func (r *Registry) ServeTLS(t testing.TB) (host, authority string) {
	t.Helper()
	certificate := selfSigned(t, OwnAddress(t))
	server := r.newProxy(t)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	block := &pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}
	return server.Listener.Addr().String(), string(pem.EncodeToMemory(block))
}

// ServePlain serves the registry over plain HTTP too, at OwnAddress. It returns that host.
func (r *Registry) ServePlain(t testing.TB) (host string) {
	t.Helper()
	server := r.newProxy(t)
	server.Start()
	return server.Listener.Addr().String()
}

// newProxy returns a server at OwnAddress that passes requests on to the registry. The caller starts it.
func (r *Registry) newProxy(t testing.TB) *httptest.Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(OwnAddress(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{
		Handler:           httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.Host()}),
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}}
	t.Cleanup(server.Close)
	return server
}

// selfSigned returns a certificate for the address that is its own authority.
func selfSigned(t testing.TB, address string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.ParseIP(address)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{signed}, PrivateKey: key}
}
